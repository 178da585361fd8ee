//! What no agent would send.

use super::*;

/// Whatever is sent is refused, and the directory of the target stays as it was.
fn refused(hostile: Vec<(&str, Vec<FileEntry>)>) {
    for (what, entries) in hostile {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("victim"), "victim").unwrap();
        let error = unpack(&dir, &entries).expect_err(what);
        assert_eq!(error.code(), ErrorCode::GuestLost, "{what}: {error}");
        assert_eq!(names(dir.path()), ["victim"], "{what}");
        assert_eq!(fs::read(dir.path().join("victim")).unwrap(), b"victim", "{what}");
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let top = || directory("");
    let long = "n".repeat(256);
    refused(vec![
        ("parent of the root", vec![top(), file("../x")]),
        ("dots within", vec![top(), directory("a"), file("a/../../x")]),
        ("absolute", vec![top(), file("/etc/x")]),
        ("a dot", vec![top(), file("./x")]),
        ("empty", vec![top(), directory("a"), file("a/")]),
        ("zero byte", vec![top(), file("a\0b")]),
        ("a long name", vec![top(), file(&long)]),
        ("below a file", vec![file("a"), file("a/b")]),
        ("beside the root", vec![directory("a"), file("b")]),
        (
            "a name that begins like the root's",
            vec![directory("a"), file("ab")],
        ),
    ]);
}

#[test]
fn links_lead_nowhere_while_a_tree_is_made() {
    let top = || directory("");
    refused(vec![
        (
            "a link replaced",
            vec![top(), to("a", FileKind::Symlink, "/tmp"), file("a")],
        ),
        (
            "a link as parent",
            vec![top(), to("a", FileKind::Symlink, ".."), file("a/x")],
        ),
        (
            "a link to a directory as parent",
            vec![
                top(),
                directory("d"),
                to("a", FileKind::Symlink, "d"),
                directory("a/x"),
            ],
        ),
        (
            "hard link to nowhere",
            vec![top(), to("a", FileKind::HardLink, "b")],
        ),
        (
            "hard link outside",
            vec![top(), to("a", FileKind::HardLink, "../victim")],
        ),
        (
            "hard link to an absolute name",
            vec![top(), to("a", FileKind::HardLink, "/etc/passwd")],
        ),
        (
            "hard link to a directory",
            vec![top(), directory("d"), to("a", FileKind::HardLink, "d")],
        ),
        (
            "hard link through a link",
            vec![
                top(),
                to("l", FileKind::Symlink, ".."),
                to("a", FileKind::HardLink, "l/victim"),
            ],
        ),
        (
            "hard link to the root",
            vec![top(), to("a", FileKind::HardLink, "")],
        ),
        ("an empty link", vec![top(), to("a", FileKind::Symlink, "")]),
        (
            "a long link",
            vec![top(), to("a", FileKind::Symlink, &"x".repeat(5000))],
        ),
        (
            "hard link beside the root",
            vec![directory("a"), to("a/b", FileKind::HardLink, "victim")],
        ),
    ]);
}

#[test]
fn entries_that_cannot_be_are_refused() {
    let top = || directory("");
    refused(vec![
        ("the root again", vec![top(), top()]),
        ("a file twice", vec![top(), file("a"), file("a")]),
        ("a directory twice", vec![top(), directory("a"), directory("a")]),
        ("no parent", vec![top(), file("a/b")]),
        (
            "a parent that comes later",
            vec![top(), file("a/b"), directory("a")],
        ),
        ("a file as parent", vec![top(), file("a"), file("a/x")]),
        (
            "an unknown kind",
            vec![
                top(),
                FileEntry {
                    kind: 99,
                    ..file("a")
                },
            ],
        ),
        ("nothing as a kind", vec![top(), entry("a", FileKind::Absent)]),
        (
            "no time",
            vec![
                top(),
                FileEntry {
                    modified_ns: 1 << 30,
                    ..file("a")
                },
            ],
        ),
        ("two files", vec![file("a"), file("b")]),
        (
            "begins with a hard link",
            vec![to("a", FileKind::HardLink, "victim")],
        ),
        ("begins with nothing", vec![entry("a", FileKind::Absent)]),
        ("nothing at all", vec![]),
    ]);
}

#[test]
fn content_of_what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for before in [
        vec![],
        vec![directory("")],
        vec![directory(""), to("a", FileKind::Symlink, "b")],
    ] {
        let mut unpack = start(&dir, false);
        for entry in before {
            unpack.entry(entry).unwrap();
        }
        assert_eq!(unpack.data(b"x").unwrap_err().code(), ErrorCode::GuestLost);
    }
    assert_eq!(names(dir.path()), <[&str; 0]>::default());
}

#[test]
fn a_special_file_is_no_export() {
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(&dir, &[entry("run/pipe", FileKind::Fifo)]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongFileType);
    assert_eq!(error.to_string(), "`/workspace/run/pipe` is a fifo");
    assert_eq!(names(dir.path()), <[&str; 0]>::default());
}

#[test]
fn an_endless_guest_is_cut_off_and_the_old_target_is_whole() {
    let data = vec![b'x'; 64 * 1024];
    let zeros = vec![0; 64 * 1024];
    for chunk in [&data, &zeros] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("out"), "old").unwrap();
        let mut unpack = start(&dir, true);
        unpack.entry(directory("")).unwrap();
        unpack.entry(file("endless")).unwrap();
        let error = loop {
            if let Err(error) = unpack.data(chunk) {
                break error;
            }
        };
        assert_eq!(error.code(), ErrorCode::InsufficientResources, "{error}");
        drop(unpack);
        assert_eq!(names(dir.path()), ["out"]);
        assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"old");
    }
}

#[test]
fn endless_entries_are_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut unpack = start(&dir, false);
    unpack.entry(directory("")).unwrap();
    let pipe = entry("pipe", FileKind::Fifo);
    let error = loop {
        if let Err(error) = unpack.entry(pipe.clone()) {
            break error;
        }
    };
    assert_eq!(error.code(), ErrorCode::InsufficientResources, "{error}");
    assert!(unpack.notes.skipped.len() <= notes::MAX_SKIPPED);
}
