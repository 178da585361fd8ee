//! Tests of `put` as a whole, on plain directories.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use pyro_proto::file::{ABSENT_STAMP, FileEntry, FileKind, PutResult};
use pyro_proto::message::FaultKind;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use rustix::io::Errno;

use super::fetch::current_stamp;
use super::plan::plan;
use super::testing::{Ground, Put, TIME, absent, directory, entry, file, with_own_mounts};
use super::tree::Tree;
use super::{journal, recover};
use std::os::fd::AsFd;

/// Something for every kind of step.
const BEFORE: [(&str, &str); 16] = [
    ("kept", "kept"),
    ("replaced", "old"),
    ("linked", "two names"),
    ("relinked", "-> kept"),
    ("file-to-dir", "a file"),
    ("link-to-dir", "-> dir"),
    ("dir-to-file/inner/deep", "deep"),
    ("dir-to-link/inner", "inner"),
    ("dir/kept", "kept"),
    ("dir/replaced", "old"),
    ("dir/sub/removed", "removed"),
    ("emptied/one", "1"),
    ("emptied/two", "2"),
    ("removed", "removed"),
    ("removed-dir/a/b", "b"),
    ("removed-dir-inner/a", "a"),
];

fn before() -> Ground {
    let ground = Ground::new();
    for (path, content) in BEFORE {
        ground.make(path, content);
    }
    complete(ground)
}

/// The same, all of it in the baseline.
fn before_on_overlay() -> Ground {
    complete(Ground::overlay(|make| {
        for (path, content) in BEFORE {
            make(path, content);
        }
    }))
}

fn complete(ground: Ground) -> Ground {
    fs::hard_link(ground.live("linked"), ground.live("linked-too")).unwrap();
    fs::set_permissions(ground.live("dir/replaced"), fs::Permissions::from_mode(0o4755)).unwrap();
    ground
}

/// Entries that take every kind of step.
fn everything() -> Vec<Put> {
    let mut kept_mode = file("dir/replaced", "new");
    kept_mode.entry.keep_mode = true;
    vec![
        file("replaced", "new"),
        file("linked", "one name"),
        file("relinked", "a file"),
        directory("file-to-dir"),
        file("file-to-dir/x", "x"),
        directory("link-to-dir"),
        file("link-to-dir/y", "y"),
        file("dir-to-file", "a file"),
        entry(FileKind::Symlink, "dir-to-link", 0o777, "../anywhere"),
        directory("dir"),
        kept_mode,
        absent("dir/sub/removed"),
        file("dir/sub/new", "new"),
        absent("emptied"),
        file("emptied/three", "3"),
        absent("removed"),
        absent("removed-dir"),
        absent("removed-dir/a/b"),
        absent("removed-dir-inner/a"),
        absent("never-was"),
        directory("new"),
        directory("new/deep"),
        file("new/deep/file", "deep"),
        entry(FileKind::HardLink, "new/other", 0o644, "new/deep/file"),
        file("on/the/way", "made"),
    ]
}

#[test]
fn everything_is_put_where_it_is_to_be() {
    puts_everything(&before());
    with_own_mounts(|| puts_everything(&before_on_overlay()));
}

fn puts_everything(ground: &Ground) {
    let result = ground.put("", &everything()).unwrap();
    let wanted = PutResult {
        entries: 18,
        bytes: 40,
        deleted: 6,
    };
    assert_eq!(result, wanted);
    let after = ground.snapshot();
    let is = |path: &str, what: &str| {
        let found = after.get(path).map_or("absent", String::as_str);
        assert!(found.starts_with(what), "{path}: {found}");
    };
    is("/kept", "kept 644");
    is("/replaced", &format!("new 644 {TIME}.7 1"));
    is("/linked", "one name 644");
    is("/linked-too", "two names 644");
    is("/relinked", "a file 644");
    is("/file-to-dir", &format!("directory 750 {TIME}.7"));
    is("/file-to-dir/x", "x 644");
    is("/link-to-dir/y", "y 644");
    is("/dir-to-file", "a file 644");
    is("/dir-to-link", &format!("-> ../anywhere 777 {TIME}.7"));
    is("/dir", &format!("directory 750 {TIME}.7"));
    is("/dir/kept", "kept 644");
    is("/dir/replaced", &format!("new 4755 {TIME}.7"));
    is("/dir/y", "absent");
    is("/dir/sub/removed", "absent");
    is("/dir/sub/new", "new 644");
    is("/emptied/one", "absent");
    is("/emptied/three", "3 644");
    is("/removed", "absent");
    is("/removed-dir", "absent");
    is("/removed-dir-inner", "directory");
    is("/removed-dir-inner/a", "absent");
    is("/new/deep", &format!("directory 750 {TIME}.7"));
    is("/new/deep/file", &format!("deep 644 {TIME}.7 2"));
    is("/new/other", "deep 644");
    is("/on/the", "directory 755");
    assert!(ground.is_clean());
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    with_own_mounts(|| {
        let ground = Ground::overlay(|make| {
            for name in ["same", "content", "mode", "time", "linked"] {
                make(name, "old");
            }
            make("link", "-> old");
        });
        let mut puts = ["same", "content", "mode", "time", "linked"].map(|name| file(name, "old"));
        puts[1].content = b"new".to_vec();
        // Owner, mode and time are those of the baseline; what is made anew in the upper layer has another inode.
        let lower = ground.files.path().join("lower/tree");
        for (put, path) in puts.iter().zip(["same", "content", "mode", "time", "linked"]) {
            set_file(&lower.join(path), put.entry.entry.as_ref().unwrap());
        }
        puts[2].entry.entry.as_mut().unwrap().mode = 0o600;
        puts[3].entry.entry.as_mut().unwrap().modified_ns += 1;
        let other = entry(FileKind::HardLink, "other", 0o644, "linked");
        let link = entry(FileKind::Symlink, "link", 0o777, "old");
        let all = [puts.to_vec(), vec![other, link]].concat();
        ground.put("", &all).unwrap();
        let mut upper: Vec<String> = fs::read_dir(ground.files.path().join("upper/tree"))
            .unwrap()
            .map(|name| name.unwrap().file_name().into_string().unwrap())
            .collect();
        upper.sort_unstable();
        assert_eq!(upper, ["content", "link", "linked", "mode", "other", "time"]);
        // But for the time of the directory itself, in which something was put.
        let files = || -> Vec<_> { ground.snapshot().into_iter().skip(1).collect() };
        let before = files();
        let after = ground.snapshot();
        assert_eq!(after["/same"], format!("old 644 {TIME}.7 1"));
        assert_eq!(after["/content"], format!("new 644 {TIME}.7 1"));
        assert_eq!(after["/mode"], format!("old 600 {TIME}.7 1"));
        assert_eq!(after["/time"], format!("old 644 {TIME}.8 1"));
        assert_eq!(after["/other"], format!("old 644 {TIME}.7 2"));
        // What is in the upper layer is left too: but what has two names, is another, or has more to it.
        let upper = ground.files.path().join("upper/tree");
        let inodes = || ["content", "mode", "time", "linked", "link"].map(|name| inode(&upper.join(name)));
        let old = inodes();
        let mut attributed = [0; 8];
        let flags = rustix::fs::XattrFlags::empty();
        let has_attributes = rustix::fs::setxattr(ground.live("mode"), "user.x", b"x", flags).is_ok();
        fs::write(ground.live("time"), "odd").unwrap();
        set_file(&ground.live("time"), puts[3].entry.entry.as_ref().unwrap());
        ground.put("", &all).unwrap();
        assert_eq!(files(), before);
        let new = inodes();
        assert_eq!([0, 4].map(|index| new[index] == old[index]), [true; 2]);
        assert_eq!([2, 3].map(|index| new[index] == old[index]), [false; 2]);
        assert_eq!(new[1] != old[1], has_attributes);
        let left = rustix::fs::getxattr(ground.live("mode"), "user.x", &mut attributed[..]);
        left.unwrap_err();
        assert!(ground.is_clean());
    });
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn set_file(path: &Path, like: &FileEntry) {
    let time = Timespec {
        tv_sec: like.modified_s,
        tv_nsec: like.modified_ns.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(like.mode)).unwrap();
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let ground = before();
    let old = ground.snapshot();
    let tried = ground.put_guarded("", &everything(), true, &mut || panic!("a step was taken"));
    assert_eq!(ground.snapshot(), old);
    assert_eq!(tried.unwrap(), ground.put("", &everything()).unwrap());
}

/// Fails at the call of this number.
fn failing_at(number: usize) -> impl FnMut() -> io::Result<()> {
    let mut left = number;
    move || match left.checked_sub(1) {
        Some(rest) => {
            left = rest;
            Ok(())
        }
        None => Err(Errno::NOSPC.into()),
    }
}

#[test]
fn a_failure_at_any_step_leaves_the_tree_as_it_was() {
    fails_at_any_step(before);
    with_own_mounts(|| fails_at_any_step(before_on_overlay));
}

fn fails_at_any_step(before: fn() -> Ground) {
    let mut number = 0;
    loop {
        let ground = before();
        let old = ground.snapshot();
        let mut guard = failing_at(number);
        match ground.put_guarded("", &everything(), false, &mut guard) {
            Ok(_) => break,
            Err(fault) => assert_eq!(fault.kind(), FaultKind::NoSpace),
        }
        assert_eq!(ground.snapshot(), old, "after {number} steps");
        assert!(ground.is_clean());
        number += 1;
    }
    assert!(number > 20, "{number} steps");
}

/// Recovers, and removes what is left beside the tree.
fn recover_wholly(tree: &Tree) {
    recover(tree).unwrap().remove();
}

/// Does so many steps, and ends as a machine does that is switched off.
fn killed_after(ground: &Ground, steps: usize) -> bool {
    let mut staging = ground.stage("", &everything()).unwrap();
    staging.seal(true).unwrap();
    let plan = plan(&mut staging).unwrap();
    journal::write(&ground.tree.state, &staging.name, &plan.work).unwrap();
    let mut place = journal::ground(&ground.tree, &staging.name).unwrap().unwrap();
    let mut fail = failing_at(steps);
    let outcome = plan.work.run(&mut place, &mut |_| fail());
    staging.is_needed = true;
    outcome.is_ok()
}

#[test]
fn a_kill_at_any_step_is_undone_also_by_a_recovery_that_is_killed() {
    is_killed_at_any_step(before);
    with_own_mounts(|| is_killed_at_any_step(before_on_overlay));
}

fn is_killed_at_any_step(before: fn() -> Ground) {
    let mut steps = 0;
    loop {
        let ground = before();
        let old = ground.snapshot();
        let is_last = killed_after(&ground, steps);
        // A recovery that stops after 0, 1, 2, ... steps, each going on where the one before stopped.
        for recovered in 0.. {
            let mut fail = failing_at(recovered);
            if journal::roll_back_guarded(&ground.tree, &mut |_| fail()).is_ok() {
                break;
            }
        }
        recover_wholly(&ground.tree);
        assert_eq!(ground.snapshot(), old, "after {steps} steps");
        assert!(ground.is_clean());
        if is_last {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "{steps} steps");
}

#[test]
fn a_damaged_journal_is_given_up_and_never_a_panic() {
    let ground = before();
    killed_after(&ground, 0);
    let place = ground.files.path().join("state/journal");
    let whole = fs::read(&place).unwrap();
    for length in (0..whole.len()).chain([whole.len()]) {
        let mut bytes = whole[..length].to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 0x81;
        }
        fs::write(&place, bytes).unwrap();
        recover_wholly(&ground.tree);
        assert!(!place.exists());
    }
}

#[test]
fn what_is_received_and_not_committed_is_removed() {
    let ground = before();
    let old = ground.snapshot();
    drop(ground.stage("", &everything()).unwrap());
    assert!(ground.is_clean());
    assert_eq!(ground.snapshot(), old);
}

#[test]
fn nothing_is_written_through_a_link() {
    for (path, content) in [("link", "-> dir"), ("link", "-> /tmp"), ("link", "-> .")] {
        let ground = before();
        ground.make(path, content);
        let old = ground.snapshot();
        for puts in [
            vec![file("link/file", "x")],
            vec![absent("link/kept")],
            vec![file("first", "x"), directory("link/sub/deep")],
        ] {
            let fault = ground.put("", &puts).unwrap_err();
            assert_eq!(fault.kind(), FaultKind::PathRefused, "{fault:?}");
        }
        let fault = ground.put("link", &[file("x", "x")]).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::PathRefused, "{fault:?}");
        assert_eq!(ground.snapshot(), old);
        // A link that is replaced is none on the way.
        ground
            .put("", &[directory("link"), file("link/file", "x")])
            .unwrap();
        ground
            .put(
                "",
                &[
                    entry(FileKind::Symlink, "link", 0o777, "dir"),
                    absent("link/file"),
                ],
            )
            .unwrap();
        assert!(!ground.live("link/file").exists());
        assert!(ground.live("dir/kept").exists());
    }
}

#[test]
fn a_file_on_the_way_is_not_replaced_unless_asked_for() {
    let ground = before();
    let fault = ground.put("", &[file("kept/below", "x")]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::WrongFileType);
    ground
        .put("", &[absent("kept"), file("kept/below", "x")])
        .unwrap();
    assert!(ground.live("kept/below").exists());
    ground
        .put("", &[absent("kept/below"), file("kept", "x")])
        .unwrap();
    assert!(ground.live("kept").is_file());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let ground = before();
    for (puts, kind) in [
        (vec![file("a", ""), file("a", "")], FaultKind::InvalidArgument),
        (vec![file("a", ""), absent("a")], FaultKind::InvalidArgument),
        (vec![absent("a"), file("a", "")], FaultKind::InvalidArgument),
        (vec![directory("a"), directory("a")], FaultKind::InvalidArgument),
        (vec![file("a/b", ""), file("a", "")], FaultKind::InvalidArgument),
        (vec![file("a", ""), directory("a")], FaultKind::InvalidArgument),
        (vec![file("a", ""), file("a/b", "")], FaultKind::PathRefused),
        (vec![file("../a", "")], FaultKind::InvalidArgument),
        (
            vec![entry(FileKind::Fifo, "a", 0, "")],
            FaultKind::InvalidArgument,
        ),
        (
            vec![entry(FileKind::HardLink, "a", 0, "kept")],
            FaultKind::InvalidArgument,
        ),
        (vec![file("", "root")], FaultKind::PathRefused),
        (vec![absent("")], FaultKind::PathRefused),
    ] {
        let fault = ground.put("", &puts).unwrap_err();
        assert_eq!(fault.kind(), kind, "{puts:?}: {fault:?}");
        assert!(ground.is_clean());
    }
    let mut unknown = file("kept", "");
    unknown.entry.entry.as_mut().unwrap().kind = 99;
    let fault = ground.put("", &[unknown]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::InvalidArgument);
    assert!(ground.live("kept").exists());
}

fn expecting(mut put: Put, stamp: &[u8]) -> Put {
    put.entry.expected = Bytes::copy_from_slice(stamp);
    put
}

#[test]
fn a_path_that_changed_meanwhile_is_a_conflict() {
    let ground = before();
    let root = ground.tree.root.as_fd();
    let stamp = current_stamp(root, b"dir/kept").unwrap();
    assert_eq!(current_stamp(root, b"link-to-dir/kept").unwrap(), ABSENT_STAMP);
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(ground.live("dir/kept"), "KEPT").unwrap();
    let old = ground.snapshot();
    for put in [
        expecting(file("dir/kept", "x"), &stamp),
        expecting(absent("dir/kept"), &stamp),
        expecting(file("dir/kept", "x"), ABSENT_STAMP),
        expecting(file("dir/none", "x"), &stamp),
    ] {
        let fault = ground.put("", &[file("a", "a"), put]).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Conflict);
        assert!(fault.message.contains("/workspace/dir/"), "{fault:?}");
        assert_eq!(ground.snapshot(), old);
    }
    let stamp = current_stamp(root, b"dir/kept").unwrap();
    let put = [
        expecting(file("dir/kept", "x"), &stamp),
        expecting(file("dir/none", "x"), ABSENT_STAMP),
    ];
    ground.put("", &put).unwrap();
}

#[test]
fn a_change_between_the_check_and_the_step_is_a_conflict_too() {
    let ground = before();
    let stamp = current_stamp(ground.tree.root.as_fd(), b"replaced").unwrap();
    let place = ground.live("replaced");
    let mut change = || fs::write(&place, "a command wrote this");
    let puts = [expecting(file("replaced", "x"), &stamp), file("new", "x")];
    let fault = ground.put_guarded("", &puts, false, &mut change).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Conflict);
    assert_eq!(fs::read_to_string(&place).unwrap(), "a command wrote this");
    assert!(!ground.live("new").exists());
}

#[test]
fn a_destination_is_made_and_may_be_an_entry_itself() {
    let ground = Ground::new();
    ground.put("a/b", &[file("c", "c")]).unwrap();
    assert!(ground.live("a/b/c").exists());
    ground.put("empty/dest", &[]).unwrap();
    assert!(ground.live("empty/dest").is_dir());
    ground.put("a/file", &[file("", "itself")]).unwrap();
    assert!(ground.live("a/file").is_file());
    ground.put("a", &[directory("")]).unwrap();
    assert_eq!(fs::metadata(ground.live("a")).unwrap().mode() & 0o7777, 0o750);
    ground.put("", &[directory("")]).unwrap();
    assert_eq!(fs::metadata(ground.live("")).unwrap().mode() & 0o7777, 0o750);
    ground.put("a/b", &[absent("")]).unwrap();
    assert!(!ground.live("a/b").exists());
}

#[test]
fn a_touched_file_has_the_time_of_its_commit_and_a_kept_mode_stays() {
    let ground = before();
    let mut put = file("dir/replaced", "x");
    put.entry.touch = true;
    put.entry.keep_mode = true;
    let mut fresh = entry(FileKind::File, "fresh", 0o600, "x");
    fresh.entry.keep_mode = true;
    ground.put("", &[put, fresh]).unwrap();
    let meta = fs::metadata(ground.live("dir/replaced")).unwrap();
    assert!(meta.mtime() > TIME);
    assert_eq!(meta.mode() & 0o7777, 0o4755);
    assert_eq!(fs::metadata(ground.live("fresh")).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn commands_that_change_the_tree_meanwhile_cause_no_panic() {
    let ground = before();
    let root = ground.live("");
    let mut turn = 0;
    for _ in 0..40 {
        let mut disturb = || {
            turn += 1;
            let name = ["dir", "emptied", "file-to-dir", "new", "on", "dir-to-file"][turn % 6];
            let (from, to) = (root.join(name), root.join(format!("moved-{turn}")));
            // Whatever comes of it.
            drop(fs::rename(&from, &to));
            drop(std::os::unix::fs::symlink("/", &from));
            Ok(())
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            ground.put_guarded("", &everything(), false, &mut disturb)
        }));
        drop(outcome.expect("no panic"));
        recover_wholly(&ground.tree);
    }
}
