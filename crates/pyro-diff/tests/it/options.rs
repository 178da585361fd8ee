//! What entries say, and what the options leave out.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use pyro_diff::{
    Change, Contents, DiffError, DiffOptions, Entry, Mode, Node, Omitted, Side, Status, Summary, diff,
};

use crate::git::Git;
use crate::tree::{Tree, compare, file, files};

fn text<'a>(patch: &'a [u8], entry: &Entry) -> &'a str {
    std::str::from_utf8(&patch[entry.patch_offset..entry.patch_offset + entry.patch_bytes]).unwrap()
}

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("line {number}\n")).collect()
}

fn assorted() -> (Tree, Tree) {
    let old = [
        ("edited", "a\nb\n"),
        ("gone", "x\n"),
        ("same", "s\n"),
        ("script", "run\n"),
        ("moved from", "m\nn\no\n"),
        ("turned", "t\n"),
        ("picture", "\0old"),
    ];
    let mut new = files(&[
        ("edited", "a\nc\nd\n"),
        ("fresh", "f"),
        ("same", "s\n"),
        ("moved to", "m\nn\no\n"),
    ]);
    new.insert(b"script".to_vec(), file(Mode::Executable, b"run\n"));
    new.insert(b"turned".to_vec(), file(Mode::Symlink, b"elsewhere"));
    new.insert(b"picture".to_vec(), file(Mode::File, b"\0new"));
    (files(&old), new)
}

#[test]
fn entries_say_what_happened() {
    let (old, new) = assorted();
    let diff = compare(&old, &new, &DiffOptions::default());
    let told: Vec<_> = diff
        .entries
        .iter()
        .map(|entry| {
            (
                std::str::from_utf8(&entry.path).unwrap(),
                entry.status,
                entry.insertions,
                entry.deletions,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("edited", Status::Modified, Some(2), Some(1)),
            ("fresh", Status::Added, Some(1), Some(0)),
            ("gone", Status::Deleted, Some(0), Some(1)),
            ("moved to", Status::Renamed, Some(0), Some(0)),
            ("picture", Status::Modified, None, None),
            ("script", Status::ModeChanged, Some(0), Some(0)),
            ("turned", Status::TypeChanged, Some(1), Some(1)),
        ]
    );
    let summary = Summary {
        total: 7,
        added: 1,
        modified: 2,
        deleted: 1,
        renamed: 1,
        type_changed: 1,
        mode_changed: 1,
        text_patched: 6,
        non_text: 1,
    };
    assert_eq!(diff.summary, summary);
    let renamed = &diff.entries[3];
    assert_eq!(renamed.old_path.as_deref(), Some(&b"moved from"[..]));
    let link = &diff.entries[6];
    assert_eq!(
        (link.old_mode, link.new_mode),
        (Some(Mode::File), Some(Mode::Symlink))
    );
    assert!(text(&diff.patch, link).starts_with("diff --git a/turned b/turned\ndeleted file mode 100644\n"));
}

#[test]
fn a_binary_file_is_one_line_and_the_rest_applies() {
    let (old, new) = assorted();
    let diff = compare(&old, &new, &DiffOptions::default());
    let picture = &diff.entries[4];
    assert_eq!(picture.patch_omitted, Some(Omitted::Binary));
    // The blank line keeps Git from taking it for the body of the rename above.
    assert_eq!(
        text(&diff.patch, picture),
        "\nBinary files a/picture and b/picture differ\n"
    );
    assert!(!diff.truncated);
    let mut rest = new.clone();
    rest.insert(b"picture".to_vec(), old[&b"picture"[..]].clone());
    assert_eq!(Git::new().apply(&old, &diff.patch).as_ref(), Ok(&rest));
}

#[test]
fn a_stat_has_counts_without_text() {
    let (old, new) = assorted();
    let options = DiffOptions {
        stat: true,
        ..DiffOptions::default()
    };
    let diff = compare(&old, &new, &options);
    assert_eq!(diff.patch, b"");
    assert_eq!(
        (
            diff.entries.len(),
            diff.summary.renamed,
            diff.summary.text_patched
        ),
        (7, 1, 0)
    );
    assert_eq!(diff.entries[0].insertions, Some(2));
}

#[test]
fn a_file_over_its_limit_is_left_out_whole() {
    let long = lines(1000);
    let old = files(&[]);
    let new = files(&[("a", "1\n"), ("b", &long), ("c", "3\n")]);
    let options = DiffOptions {
        file_characters: Some(500),
        ..DiffOptions::default()
    };
    let diff = compare(&old, &new, &options);
    let omitted: Vec<_> = diff.entries.iter().map(|entry| entry.patch_omitted).collect();
    assert_eq!(omitted, [None, Some(Omitted::TooLarge), None]);
    assert_eq!(diff.entries[1].insertions, Some(1000));
    assert_eq!(diff.entries[1].patch_bytes, 0);
    assert!(diff.truncated);
    let rest = files(&[("a", "1\n"), ("c", "3\n")]);
    assert_eq!(Git::new().apply(&old, &diff.patch), Ok(rest));
}

#[test]
fn the_limit_of_all_texts_counts_characters() {
    let old = files(&[]);
    let new = files(&[("a", "\u{e4}\u{e4}\u{e4}\n"), ("b", &lines(40)), ("c", "3\n")]);
    let all = compare(&old, &new, &DiffOptions::default());
    let characters = |entry: &Entry| text(&all.patch, entry).chars().count();
    let options = DiffOptions {
        total_characters: Some(characters(&all.entries[0]) + characters(&all.entries[2])),
        ..DiffOptions::default()
    };
    let diff = compare(&old, &new, &options);
    let omitted: Vec<_> = diff.entries.iter().map(|entry| entry.patch_omitted).collect();
    assert_eq!(omitted, [None, Some(Omitted::TooLarge), None]);
}

struct Unread;

impl Contents for Unread {
    fn read(&mut self, _: Side, _: usize) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn a_giant_is_not_read() {
    let node = Node {
        mode: Mode::File,
        size: 1 << 40,
    };
    let change = Change {
        path: b"giant".to_vec(),
        old: Some(node),
        new: Some(node),
    };
    let diff = diff(&[change], &mut Unread, &DiffOptions::default()).unwrap();
    assert_eq!(diff.entries[0].patch_omitted, Some(Omitted::TooLarge));
    assert!(diff.truncated);
}

#[test]
fn what_cannot_be_read_is_named() {
    let change = Change {
        path: b"dir/x".to_vec(),
        old: None,
        new: Some(Node {
            mode: Mode::File,
            size: 1,
        }),
    };
    let error = diff(&[change], &mut Unread, &DiffOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read `dir/x`");
    let DiffError::Read { side, .. } = error;
    assert_eq!(side, Side::New);
}

fn renames(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<(String, String)> {
    let diff = compare(&files(old), &files(new), &DiffOptions::default());
    let name = |path: &[u8]| String::from_utf8(path.to_vec()).unwrap();
    let pair = |entry: &Entry| Some((name(entry.old_path.as_ref()?), name(&entry.path)));
    diff.entries.iter().filter_map(pair).collect()
}

fn pair(old: &str, new: &str) -> (String, String) {
    (old.to_owned(), new.to_owned())
}

#[test]
fn half_of_the_larger_content_makes_a_rename() {
    let half = format!("{}{}", lines(50), "other\n".repeat(65));
    let less = format!("{}{}", lines(50), "other\n".repeat(66));
    assert_eq!(renames(&[("a", &lines(50))], &[("b", &half)]), [pair("a", "b")]);
    assert_eq!(renames(&[("a", &lines(50))], &[("b", &less)]), []);
}

#[test]
fn equal_contents_keep_their_names_before_others() {
    let moved = renames(
        &[("x/one", "s\n"), ("x/two", "s\n")],
        &[("y/two", "s\n"), ("y/zero", "s\n")],
    );
    assert_eq!(moved, [pair("x/two", "y/two"), pair("x/one", "y/zero")]);
}

#[test]
fn the_most_similar_content_wins() {
    let near = format!("{}end\n", lines(20));
    let far = format!("{}{}", lines(15), "other\n".repeat(6));
    let moved = renames(&[("far", &far), ("near", &near)], &[("new", &lines(20))]);
    assert_eq!(moved, [pair("near", "new")]);
}

#[test]
fn a_copy_is_no_rename() {
    assert_eq!(renames(&[("a", "x\n")], &[("a", "x\n"), ("b", "x\n")]), []);
}
