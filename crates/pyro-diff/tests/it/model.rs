//! Patches as models write them.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use pyro_diff::{
    Applied, FileState, Mode, Operation, PatchFailed, PatchStatus, PlacedHunk, Problem, Reason, apply, parse,
};

use crate::tree::{Tree, file, files, put, state};

fn try_patch(tree: &Tree, patch: &str) -> Result<Applied, PatchFailed> {
    let patch = parse(patch.as_bytes()).unwrap();
    apply(&patch, &state(&patch, tree))
}

#[track_caller]
fn assert_makes(old: &[(&str, &str)], patch: &str, new: &[(&str, &str)]) {
    let old = files(old);
    let applied = try_patch(&old, patch).unwrap();
    assert_eq!(put(&applied, &old), files(new));
}

#[track_caller]
fn assert_invalid(patch: &str, line: usize, problem: &str) {
    let error = parse(patch.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), format!("line {line}: {problem}"));
}

#[track_caller]
fn reason(old: &[(&str, &str)], patch: &str) -> Reason {
    let failed = try_patch(&files(old), patch).unwrap_err();
    failed.failures[0].reason.clone()
}

fn placed(old: &str, patch: &str) -> Vec<(usize, i64)> {
    let applied = try_patch(&files(&[("x", old)]), patch).unwrap();
    let place = |hunk: &PlacedHunk| (hunk.line, hunk.offset);
    applied.files[0].hunks.iter().map(place).collect()
}

fn numbered(lines: std::ops::RangeInclusive<usize>) -> String {
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn headers_may_be_spare_or_rich() {
    let body = "@@ -1,2 +1,2 @@ fn main()\n a\n-b\n+c";
    for header in [
        "--- a/dir/x y\n+++ b/dir/x y\n",
        "--- dir/x y\n+++ dir/x y\n",
        "--- dir/x y\t2024-01-31 10:00:00.1 +0100\n+++ dir/x y\t2024-02-01 10:00:00.1 +0100\n",
        "--- dir/x y.orig\n+++ dir/x y\n",
        "diff --git a/dir/x y b/dir/x y\n--- a/dir/x y\n+++ b/dir/x y\n",
        "diff --git a/dir/x y b/dir/x y\nindex 123..456 100644\n--- a/dir/x y\t\n+++ b/dir/x y\t\n",
        "diff --git a/dir/x y b/dir/x y\n",
        "diff --git \"a/dir/x y\" \"b/dir/x y\"\n--- \"a/dir/x y\"\n+++ \"b/dir/x y\"\n\n",
        "Index: dir/x y\n======\n--- dir/x y\n+++ dir/x y\n",
        "diff -u a/dir/x y b/dir/x y\r\n--- a/dir/x y\r\n+++ b/dir/x y\r\n",
    ] {
        assert_makes(
            &[("dir/x y", "a\nb\n")],
            &format!("{header}{body}"),
            &[("dir/x y", "a\nc\n")],
        );
    }
}

#[test]
fn paths_come_through_as_written() {
    let patch = parse(
        b"--- /workspace/x\n+++ /workspace/x\n@@ -1 +1 @@\n-a\n+b\n--- x\n+++ x\n@@ -1 +1 @@\n-b\n+c\n",
    )
    .unwrap();
    assert_eq!(patch.paths(), [b"/workspace/x"]);
    let applied = apply(&patch, &state(&patch, &files(&[("x", "a\n")]))).unwrap();
    let write = Operation::Write {
        path: b"/workspace/x".to_vec(),
        mode: Mode::File,
        content: b"c\n".to_vec(),
        permissions_of: Some(b"/workspace/x".to_vec()),
    };
    assert_eq!(applied.operations, [write]);
}

#[test]
fn text_around_a_diff_is_skipped() {
    let patch = "Here is the fix:\n\n```diff\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\n\n--- a/y\n+++ b/y\n\n@@ -1 +1 @@\n-a\n+b\n```\n\nIt works because:\n- it does\n";
    assert_makes(
        &[("x", "a\n"), ("y", "a\n")],
        patch,
        &[("x", "b\n"), ("y", "b\n")],
    );
}

#[test]
fn a_mailed_patch_ends_with_a_version() {
    let patch = "From 123 Mon Sep 17\nSubject: x\n\n---\n x | 2 +-\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- \n2.47.3\n\n";
    assert_makes(&[("x", "a\n")], patch, &[("x", "b\n")]);
}

#[test]
fn bodies_are_read_by_their_counts() {
    let patch = "--- x\n+++ x\n@@ -1,3 +1,3 @@\n--- a/y\n-@@ -1 +1 @@\n+++ b/y\n+diff --git a/x b/x\n \n";
    assert_makes(
        &[("x", "-- a/y\n@@ -1 +1 @@\n\n")],
        patch,
        &[("x", "++ b/y\ndiff --git a/x b/x\n\n")],
    );
}

#[test]
fn blank_context_may_lack_its_space() {
    assert_makes(
        &[("x", "a\n\nb\n")],
        "--- x\n+++ x\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n",
        &[("x", "a\n\nc\n")],
    );
}

#[test]
fn markers_of_a_missing_newline_stand_on_either_side_or_both() {
    let marker = "\\ No newline at end of file\n";
    let makes = |old: &str, body: &str, new: &str| {
        assert_makes(
            &[("x", old)],
            &format!("--- x\n+++ x\n@@ -1 +1 @@\n{body}"),
            &[("x", new)],
        );
    };
    makes("a", &format!("-a\n{marker}+b\n{marker}"), "b");
    makes("a", &format!("-a\n{marker}+b\n"), "b\n");
    makes("a\n", &format!("-a\n+b\n{marker}"), "b");
    makes("a\n", "-a\n+b\n\\ Kein Zeilenumbruch am Dateiende.", "b");
    assert_makes(
        &[("x", "a\nb")],
        &format!("--- x\n+++ x\n@@ -1,2 +1,2 @@\n-a\n+c\n b\n{marker}"),
        &[("x", "c\nb")],
    );
}

#[test]
fn files_come_go_and_move() {
    assert_makes(
        &[],
        "--- /dev/null\n+++ b/dir/new\n@@ -0,0 +1,2 @@\n+a\n+b\n",
        &[("dir/new", "a\nb\n")],
    );
    assert_makes(
        &[],
        "--- a/new\n+++ b/new\n@@ -0,0 +1 @@\n+a\n",
        &[("new", "a\n")],
    );
    assert_makes(&[], "diff --git a/e b/e\nnew file mode 100644\n", &[("e", "")]);
    assert_makes(
        &[("x", "a\n")],
        "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        &[],
    );
    assert_makes(
        &[("e", "")],
        "diff --git a/e b/e\ndeleted file mode 100644\n",
        &[],
    );
    let rename = "diff --git a/x b/y\nrename from x\nrename to y\n--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n";
    assert_makes(&[("x", "a\n")], rename, &[("y", "b\n")]);
    let copy = "diff --git a/x b/y\nsimilarity index 100%\ncopy from x\ncopy to y\n";
    assert_makes(&[("x", "a\n")], copy, &[("x", "a\n"), ("y", "a\n")]);
}

#[test]
fn renames_in_a_ring_are_done_at_once() {
    let step =
        |from: &str, to: &str| format!("diff --git a/{from} b/{to}\nrename from {from}\nrename to {to}\n");
    let patch = [step("a", "b"), step("b", "c"), step("c", "a")].concat();
    assert_makes(
        &[("a", "1"), ("b", "2"), ("c", "3")],
        &patch,
        &[("a", "3"), ("b", "1"), ("c", "2")],
    );
}

#[test]
fn modes_stay_unless_a_line_says_otherwise() {
    let tree: Tree = [(b"x".to_vec(), file(Mode::Executable, b"a\n"))].into();
    let kept = try_patch(&tree, "--- x\n+++ x\n@@ -1 +1 @@\n-a\n+b\n").unwrap();
    assert_eq!(put(&kept, &tree)[&b"x"[..]], file(Mode::Executable, b"b\n"));
    let plain = "diff --git a/x b/x\nold mode 100755\nnew mode 100644\n";
    let changed = try_patch(&tree, plain).unwrap();
    assert_eq!(changed.files[0].status, PatchStatus::Modified);
    let write = Operation::Write {
        path: b"x".to_vec(),
        mode: Mode::File,
        content: b"a\n".to_vec(),
        permissions_of: None,
    };
    assert_eq!(changed.operations, [write]);
}

#[test]
fn links_are_patched_only_as_links() {
    let tree: Tree = [(b"x".to_vec(), file(Mode::Symlink, b"a"))].into();
    let marker = "\\ No newline at end of file\n";
    let body = format!("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n{marker}+b\n{marker}");
    let failed = try_patch(&tree, &body).unwrap_err();
    let expected = Reason::Type {
        expected: "file",
        found: "link",
    };
    assert_eq!(failed.failures[0].reason, expected);
    let link = format!("diff --git a/x b/x\nindex 1..2 120000\n{body}");
    assert_eq!(
        put(&try_patch(&tree, &link).unwrap(), &tree)[&b"x"[..]],
        file(Mode::Symlink, b"b")
    );
}

#[test]
fn a_hunk_moves_to_the_nearest_place() {
    let patch = "--- x\n+++ x\n@@ -10,3 +10,3 @@\n 20\n-21\n+x\n 22\n@@ -30,3 +30,3 @@\n 40\n-41\n+y\n 42\n";
    assert_eq!(placed(&numbered(1..=60), patch), [(20, 10), (40, 10)]);
    let far = "--- x\n+++ x\n@@ -1,2 +1,2 @@\n 1001\n-1002\n+x\n";
    assert_eq!(placed(&numbered(1..=2000), far), [(1001, 1000)]);
    let farther = "--- x\n+++ x\n@@ -1,2 +1,2 @@\n 1002\n-1003\n+x\n";
    let expected = Reason::TooFar { line: 1, found: 1002 };
    assert_eq!(reason(&[("x", &numbered(1..=2000))], farther), expected);
}

#[test]
fn the_drift_of_one_hunk_decides_for_the_next() {
    // `b` is at 8 and 14. The first hunk was found 3 lines down, so the second is expected 3 lines down from 11.
    let old = "0\n0\n0\na\n1\n2\n3\nb\n4\n5\n6\n7\n8\nb\n";
    let patch = "--- x\n+++ x\n@@ -1,2 +1,2 @@\n-a\n+x\n 1\n@@ -10,2 +10,2 @@\n 8\n-b\n+y\n";
    assert_eq!(placed(old, patch), [(4, 3), (13, 3)]);
}

#[test]
fn two_places_equally_near_are_refused() {
    let old = "a\nb\n1\n2\n3\na\nb\n";
    let patch = "--- x\n+++ x\n@@ -3,1 +3,2 @@\n a\n+x\n";
    let nearer = "--- x\n+++ x\n@@ -4,1 +4,2 @@\n a\n+x\n";
    assert_eq!(placed(old, patch), [(1, -2)]);
    assert_eq!(placed(old, nearer), [(6, 2)]);
    let between = "a\n1\n2\n3\na\n";
    let expected = Reason::Ambiguous {
        line: 3,
        first: 1,
        second: 5,
    };
    assert_eq!(reason(&[("x", between)], patch), expected);
}

#[test]
fn a_hunk_without_context_stays_where_it_is_stated() {
    let old = numbered(1..=5);
    assert_makes(
        &[("x", &old)],
        "--- x\n+++ x\n@@ -2,0 +3 @@\n+new\n",
        &[("x", "1\n2\nnew\n3\n4\n5\n")],
    );
    assert_makes(
        &[("x", &old)],
        "--- x\n+++ x\n@@ -0,0 +1 @@\n+new\n",
        &[("x", &format!("new\n{old}"))],
    );
    let moved = "--- x\n+++ x\n@@ -2 +2 @@\n-3\n+x\n";
    assert_eq!(reason(&[("x", &old)], moved), Reason::NotFound { line: 2 });
    let beyond = "--- x\n+++ x\n@@ -6,0 +7 @@\n+x\n";
    assert_eq!(reason(&[("x", &old)], beyond), Reason::BeyondEnd { lines: 5 });
    let glued = "--- x\n+++ x\n@@ -1,0 +2 @@\n+x\n";
    assert_eq!(reason(&[("x", "a")], glued), Reason::UnfinishedLine);
}

#[test]
fn hunks_may_be_out_of_order_and_share_context_but_not_changes() {
    let old = numbered(1..=5);
    let shared = "--- x\n+++ x\n@@ -3,3 +3,3 @@\n 3\n-4\n+b\n 5\n@@ -1,3 +1,3 @@\n 1\n-2\n+a\n 3\n";
    assert_makes(&[("x", &old)], shared, &[("x", "1\na\n3\nb\n5\n")]);
    let twice = "--- x\n+++ x\n@@ -1,2 +1,2 @@\n 1\n-2\n+a\n@@ -2,2 +2,2 @@\n-2\n+b\n 3\n";
    assert_eq!(reason(&[("x", &old)], twice), Reason::Overlap);
}

#[test]
fn reasons_say_what_is_different() {
    let patch = "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n";
    let of = |old: &str| reason(&[("x", old)], patch);
    assert_eq!(of("a\r\nb\r\n"), Reason::FileHasCrLf { line: 1 });
    assert_eq!(of("z\na\r\nb\n"), Reason::LineEndings { line: 2 });
    assert_eq!(of("a\nb"), Reason::FinalNewline { line: 1 });
    assert_eq!(of("  a\n  b\n"), Reason::Blanks { line: 1 });
    assert_eq!(of("z\na\nc\n"), Reason::AlreadyThere { line: 2 });
    assert_eq!(of("y\nz\n"), Reason::NotFound { line: 1 });
    assert_eq!(reason(&[], patch), Reason::Missing);
    assert_eq!(reason(&[("x/y", "")], patch), Reason::Directory);
    assert_eq!(
        reason(&[("x", "a")], "--- /dev/null\n+++ x\n@@ -0,0 +1 @@\n+a\n"),
        Reason::Exists
    );
    assert_eq!(
        reason(&[("x", "a\nb\n")], "--- x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"),
        Reason::LinesLeft
    );
}

#[test]
fn every_failing_hunk_is_told_with_the_nearest_lines() {
    let source = "fn one() {\n    1\n}\n\nfn two() {\n    let x = 2;\n    x\n}\n";
    let patch = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n fn one() {\n-    1\n+    11\n }\n@@ -6,4 +6,4 @@\n fn two() {\n-    let x = 3;\n+    let x = 4;\n     x\n }\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n";
    let failed = try_patch(&files(&[("x", source)]), patch).unwrap_err();
    assert_eq!(failed.to_string(), "2 of 3 hunks do not fit");
    let told: Vec<_> = failed
        .failures
        .iter()
        .map(|failure| (&failure.path[..], failure.hunk))
        .collect();
    assert_eq!(told, [(&b"x"[..], Some(2)), (&b"y"[..], None)]);
    let near: Vec<_> = failed.failures[0]
        .nearest
        .iter()
        .map(|near| (near.line, &near.text[..]))
        .collect();
    let expected: [(usize, &[u8]); 5] = [
        (4, b""),
        (5, b"fn two() {"),
        (6, b"    let x = 2;"),
        (7, b"    x"),
        (8, b"}"),
    ];
    assert_eq!(near, expected);
}

#[test]
fn binary_patches_are_held_to_their_ids() {
    let patch = "diff --git a/x b/x\nindex ce013625030ba8dba906f756967f9e9ca394464a..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 100644\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n";
    assert_makes(&[("x", "hello\n")], patch, &[("x", "")]);
    assert_eq!(reason(&[("x", "other\n")], patch), Reason::BinaryMismatch);
    let short = patch.replace(
        "ce013625030ba8dba906f756967f9e9ca394464a..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
        "ce01..e69d",
    );
    assert_eq!(parse(short.as_bytes()).unwrap_err().problem, Problem::BinaryIndex);
    let giant = patch.replace("literal 0", "literal 999999999");
    assert_eq!(
        parse(giant.as_bytes()).unwrap_err().problem,
        Problem::BinaryTooLarge
    );
    let damaged = patch.replace("HcmV", "HcmW");
    assert_eq!(
        parse(damaged.as_bytes()).unwrap_err().problem,
        Problem::BinaryDamaged
    );
}

#[test]
fn wrong_counts_are_named_with_their_hunk() {
    assert_invalid(
        "\n--- x\n+++ x\n@@ -1,6 +1,6 @@\n a\n-b\n+c\n d\n e\n f\n",
        4,
        "hunk says 6 old lines, has 5",
    );
    assert_invalid(
        "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n+d\n",
        3,
        "hunk says 2 new lines, has 3",
    );
    assert_invalid(
        "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\n d\n--- y\n+++ y\n",
        3,
        "hunk says 2 old lines, has 3",
    );
    assert_invalid(
        "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n",
        3,
        "hunk says 2 old lines, has 1",
    );
}

#[test]
fn what_is_no_diff_is_told_by_its_line() {
    assert_invalid("", 1, &Problem::NoDiff.to_string());
    assert_invalid(
        "*** Begin Patch\n*** Update File: x\n",
        1,
        &Problem::ForeignFormat.to_string(),
    );
    assert_invalid(
        "Fix:\n@@ -1 +1 @@\n-a\n+b\n",
        2,
        &Problem::OutsideFile.to_string(),
    );
    assert_invalid(
        "--- x\n+++ x\n@@ ... @@\n-a\n+b\n",
        3,
        &Problem::HunkHeader.to_string(),
    );
    assert_invalid(
        "--- x\n+++ x\n@@ -1,0 +1,0 @@\n",
        3,
        &Problem::EmptyHunk.to_string(),
    );
    assert_invalid("--- x\n+++ x\n", 1, &Problem::NoChange.to_string());
    assert_invalid(
        "diff --git a/x b/x\nBinary files a/x and b/x differ\n",
        2,
        &Problem::BinaryMissing.to_string(),
    );
    assert_invalid(
        "diff --git a/x b/x\nnew mode 160000\n",
        2,
        "`160000` is not the mode of a file or link",
    );
    assert_invalid(
        "diff --git a/x b/y\nrename from x\n",
        1,
        &Problem::HalfRename.to_string(),
    );
    assert_invalid(
        "diff --git a/x b/x\nold mode 100644\nnew mode 120000\n",
        1,
        &Problem::TypeByMode.to_string(),
    );
    assert_invalid(
        "--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n",
        1,
        "the path `../x` leaves /workspace",
    );
    assert_invalid(
        "--- /etc/x\n+++ /etc/x\n@@ -1 +1 @@\n-a\n+b\n",
        1,
        "the path `/etc/x` leaves /workspace",
    );
    let marker = "--- x\n+++ x\n@@ -1,2 +1,2 @@\n-a\n\\ No newline at end of file\n-b\n";
    assert_invalid(marker, 6, &Problem::MisplacedMarker.to_string());
    let differing = parse(b"--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n").unwrap_err();
    assert!(matches!(differing.problem, Problem::NamesDiffer { .. }));
}

#[test]
fn a_directory_gives_way_to_a_file_only_when_it_is_emptied() {
    let create = "diff --git a/x b/x\nnew file mode 100644\n";
    let delete = "diff --git a/x/y b/x/y\ndeleted file mode 100644\n";
    assert_makes(&[("x/y", "")], &[create, delete].concat(), &[("x", "")]);
    assert_eq!(reason(&[("x/y", "")], create), Reason::Directory);
}

#[test]
fn a_patch_that_changes_nothing_has_no_steps() {
    let tree: Tree = [(
        b"x".to_vec(),
        FileState {
            mode: Mode::File,
            content: b"a\n".to_vec(),
        },
    )]
    .into();
    let applied = try_patch(&tree, "--- x\n+++ x\n@@ -1 +1 @@\n-a\n+a\n").unwrap();
    assert_eq!(applied.operations, []);
}
