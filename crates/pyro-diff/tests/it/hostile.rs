//! Damaged patches, and contents and patches made to be slow.

use std::time::{Duration, Instant};

use pyro_diff::{DiffOptions, FileState, Mode, Problem, Reason, apply, parse};

use crate::random::{Random, tree_pair};
use crate::tree::{Tree, compare, file, state};

fn try_all(patch: &[u8], tree: &Tree) {
    if let Ok(patch) = parse(patch) {
        drop(apply(&patch, &state(&patch, tree)));
    }
}

#[test]
fn damaged_patches_are_errors_and_not_panics() {
    let options = DiffOptions {
        binary: true,
        ..DiffOptions::default()
    };
    let pieces: &[&[u8]] = &[
        b"\n",
        b"@@ -1,3 +1,3 @@\n",
        b"--- a/x\n",
        b"+++ b/x\n",
        b"\\ x\n",
        b"diff --git a/x b/x\n",
        b"\"",
        b"\\",
        b"literal 99999999\n",
        b"delta 10\n",
        b"GIT binary patch\n",
        b"999999999",
        b"0",
        b",",
        b"\t",
        b"\0",
        b"-",
        b"+",
        b" ",
        b"/dev/null",
        b"rename from x\n",
        b"new file mode 100644\n",
        b"\xff",
    ];
    for seed in 0..150 {
        let random = &mut Random(seed);
        let (old, new) = tree_pair(seed);
        let mut patch = compare(&old, &new, &options).patch;
        patch.truncate(20_000);
        for _ in 0..20 {
            let mut damaged = patch.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(damaged.len() + 1);
                let end = (at + random.below(30)).min(damaged.len());
                match random.below(4) {
                    0 => damaged.truncate(at),
                    1 => drop(damaged.drain(at..end)),
                    2 => drop(damaged.splice(at..at, random.pick(pieces).iter().copied())),
                    _ => drop(damaged.splice(at..end, random.pick(pieces).iter().copied())),
                }
            }
            try_all(&damaged, &old);
        }
    }
}

#[test]
fn every_beginning_of_a_patch_is_survived() {
    let options = DiffOptions {
        binary: true,
        ..DiffOptions::default()
    };
    let (old, new) = tree_pair(1);
    let patch = compare(&old, &new, &options).patch;
    for end in (0..patch.len().min(6000)).step_by(3) {
        try_all(&patch[..end], &old);
    }
}

/// A generous limit: these take a second or less, and minutes if something is quadratic.
fn quick<T>(what: &str, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = action();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{what}: {:?}",
        start.elapsed()
    );
    result
}

fn one(path: &str, content: Vec<u8>) -> Tree {
    let state = FileState {
        mode: Mode::File,
        content,
    };
    [(path.as_bytes().to_vec(), state)].into()
}

#[test]
fn contents_made_to_be_slow_are_compared_in_time() {
    let joined = |line: &dyn Fn(u64) -> String| (0..20_000).map(line).collect::<String>().into_bytes();
    let mut random = Random(1);
    let few = (0..20_000)
        .map(|_| format!("{}\n", random.below(4)))
        .collect::<String>()
        .into_bytes();
    let mut random = Random(2);
    let other = (0..20_000)
        .map(|_| format!("{}\n", random.below(4)))
        .collect::<String>()
        .into_bytes();
    let cases = [
        // Lines that occur once on both sides, between lines that do not.
        (
            "unique",
            joined(&|number| format!("{number}\na{number}\n")),
            joined(&|number| format!("{number}\nb{number}\n")),
        ),
        (
            "reversed",
            joined(&|number| format!("{number}\n")),
            joined(&|number| format!("{}\n", 20_000 - number)),
        ),
        ("few", few, other),
        ("equal", b"\n".repeat(400_000), b"\n".repeat(390_000)),
        ("long", b"x".repeat(4 << 20), b"y".repeat(4 << 20)),
        ("empty lines", b"\n".repeat(1 << 20), b"x\n".repeat(1 << 19)),
    ];
    for (what, old, new) in cases {
        let (old, new) = (one("x", old), one("x", new));
        let diff = quick(what, || compare(&old, &new, &DiffOptions::default()));
        assert_eq!(diff.entries.len(), 1);
    }
}

#[test]
fn many_similar_files_are_compared_in_time() {
    let trees = |dir: &str, salt: &str| -> Tree {
        let content = |number: usize| {
            (0..50)
                .map(|line| format!("{} {salt}\n", line * number))
                .collect::<String>()
        };
        let path = |number: usize| format!("{dir}/{number}{salt}").into_bytes();
        (0..600)
            .map(|number| (path(number), file(Mode::File, content(number).as_bytes())))
            .collect()
    };
    let (old, new) = (trees("old", "a"), trees("new", "b"));
    let diff = quick("similar", || compare(&old, &new, &DiffOptions::default()));
    assert_eq!(diff.summary.total, 1200);
}

#[test]
fn patches_made_to_be_slow_are_read_and_placed_in_time() {
    let tree = one("x", b"\n".repeat(1 << 19));
    // One hunk of blank lines, of which only the last is not there.
    let count = 200_000;
    let header = format!("--- x\n+++ x\n@@ -5,{count} +5,{count} @@\n");
    let patch = [header.as_bytes(), &b"\n".repeat(count - 1), b"-z\n+y\n"].concat();
    let patch = quick("blank", || parse(&patch)).unwrap();
    let failed = quick("blank", || apply(&patch, &state(&patch, &tree))).unwrap_err();
    assert_eq!(failed.failures[0].reason, Reason::NotFound { line: 5 });

    let many: String = (0..20_000).map(|_| "@@ -9,2 +9,2 @@\n \n-z\n+y\n").collect();
    let patch = quick("many", || parse(format!("--- x\n+++ x\n{many}").as_bytes())).unwrap();
    let failed = quick("many", || apply(&patch, &state(&patch, &tree))).unwrap_err();
    assert_eq!((failed.failed, failed.total), (20_000, 20_000));

    let short: String = (0..50_000)
        .map(|number| format!("--- {number}\n+++ {number}\n@@ -1 +1 @@\n-\n+a\n"))
        .collect();
    quick("files", || parse(short.as_bytes())).unwrap();
    let headers = "--- a\n".repeat(1 << 18);
    quick("headers", || parse(headers.as_bytes())).unwrap_err();
    let quotes = format!("diff --git {}\"\n", " \"".repeat(1 << 20));
    quick("quotes", || parse(quotes.as_bytes())).unwrap_err();
}

#[test]
fn copies_of_a_giant_end_at_a_limit() {
    let tree = one("x", b"\n".repeat(32 << 20));
    let copy = |number: usize| format!("diff --git a/x b/{number}\ncopy from x\ncopy to {number}\n");
    let patch: String = (0..10_000).map(copy).collect();
    let patch = parse(patch.as_bytes()).unwrap();
    let failed = apply(&patch, &state(&patch, &tree)).unwrap_err();
    assert_eq!(failed.failures[0].reason, Reason::TooLarge);
}

#[test]
fn a_patch_over_the_limit_is_not_read() {
    let error = parse(&vec![b'\n'; pyro_diff::MAX_PATCH_BYTES + 1]).unwrap_err();
    assert!(matches!(error.problem, Problem::PatchTooLarge(_)));
}
