//! Our patches applied by Git, Git's patches applied by us, on the same random trees.

#![expect(clippy::panic, reason = "a helper that fails must fail the test")]

use pyro_diff::{DiffOptions, apply, parse};

use crate::git::Git;
use crate::random::tree_pair;
use crate::tree::{Tree, compare, put, state};

fn apply_ours(tree: &Tree, patch: &[u8]) -> Result<Tree, String> {
    let patch = parse(patch).map_err(|error| error.to_string())?;
    let applied = apply(&patch, &state(&patch, tree)).map_err(|error| format!("{error:?}"))?;
    Ok(put(&applied, tree))
}

fn assert_same(made: Result<Tree, String>, new: &Tree, what: &str, seed: u64, patch: &[u8]) {
    if made.as_ref() == Ok(new) {
        return;
    }
    let differing = made.map(|made| {
        let all = made.iter().filter(|(path, file)| new.get(*path) != Some(*file));
        let missing = new.keys().filter(|path| !made.contains_key(*path));
        let names = all.map(|(path, _)| path).chain(missing);
        names
            .map(|path| path.escape_ascii().to_string())
            .collect::<Vec<_>>()
    });
    let shown = String::from_utf8_lossy(&patch[..patch.len().min(20_000)]);
    panic!("{what}, seed {seed}: {differing:?}\n{shown}");
}

/// What Git is asked for, beside complete binary patches.
const GIT_OPTIONS: &[&[&str]] = &[
    &["-M"],
    &["-M", "-C", "--find-copies-harder"],
    &["-M", "-B"],
    &["-M", "-U0"],
    &["-M", "-U1", "--patience"],
    &["--no-renames", "--no-prefix"],
    &["-M", "--src-prefix=i/", "--dst-prefix=w/"],
];

fn check(seeds: std::ops::Range<u64>) {
    let git = Git::new();
    let options = DiffOptions {
        binary: true,
        ..DiffOptions::default()
    };
    let pairs: Vec<(u64, (Tree, Tree))> = seeds.map(|seed| (seed, tree_pair(seed))).collect();
    git.store(
        pairs
            .iter()
            .flat_map(|(seed, (old, new))| [(format!("{seed}-old"), old), (format!("{seed}-new"), new)]),
    );
    for ((seed, (old, new)), git_options) in pairs.into_iter().zip(GIT_OPTIONS.iter().cycle()) {
        let ours = compare(&old, &new, &options);
        assert_eq!(ours.entries.is_empty(), old == new, "seed {seed}");
        let ends: Vec<usize> = ours
            .entries
            .iter()
            .map(|entry| entry.patch_offset + entry.patch_bytes)
            .collect();
        let starts = ours.entries.iter().skip(1).map(|entry| entry.patch_offset);
        assert!(
            starts.eq(ends.iter().copied().take(ends.len().saturating_sub(1))),
            "seed {seed}"
        );
        if old == new {
            continue;
        }
        let patch = &ours.patch;
        assert_same(
            git.apply(&old, patch),
            &new,
            "our patch, applied by Git",
            seed,
            patch,
        );
        assert_same(
            apply_ours(&old, patch),
            &new,
            "our patch, applied by us",
            seed,
            patch,
        );
        let theirs = git.diff(
            &format!("{seed}-old"),
            &format!("{seed}-new"),
            &[&["--binary"], *git_options].concat(),
        );
        assert_same(
            apply_ours(&old, &theirs),
            &new,
            "Git's patch, applied by us",
            seed,
            &theirs,
        );
    }
}

#[test]
fn patches_go_both_ways_on_random_trees() {
    check(0..160);
}

#[test]
fn patches_go_both_ways_on_more_random_trees() {
    check(1000..1160);
}
