//! Many random trees and what became of them: a workspace's patch means the same to Git and to another workspace.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::tree::git;
use crate::support::figure;
use crate::workspace::Workspaces;

#[path = "../../../../pyro-diff/tests/it/disk.rs"]
mod disk;
#[path = "../../../../pyro-diff/tests/it/random.rs"]
mod random;

use self::disk::Tree;

/// How many pairs are in one tree; their patch stays well below the limit.
const AT_ONCE: u64 = 300;

/// How many of them are also taken alone.
const ALONE: usize = 5;

/// Pairs of trees, each in a directory that is called by its seed.
struct Pairs {
    before: Tree,
    after: Tree,
    /// Those of which neither tree is empty, and that differ.
    comparable: Vec<String>,
}

impl Pairs {
    fn new(seeds: std::ops::Range<u64>) -> Self {
        let mut pairs = Self {
            before: Tree::new(),
            after: Tree::new(),
            comparable: Vec::new(),
        };
        for seed in seeds {
            let (before, after) = random::tree_pair(seed);
            if !before.is_empty() && !after.is_empty() && before != after {
                pairs.comparable.push(seed.to_string());
            }
            pairs.before.extend(below(seed, before));
            pairs.after.extend(below(seed, after));
        }
        pairs
    }
}

fn below(seed: u64, tree: Tree) -> impl Iterator<Item = (Vec<u8>, pyro_diff::FileState)> {
    let top = format!("{seed}/").into_bytes();
    tree.into_iter()
        .map(move |(path, state)| ([&top[..], &path].concat(), state))
}

/// Fails unless a directory holds exactly these files and links.
fn assert_holds(root: &Path, expected: &Tree, what: &str) {
    let found = disk::read(root);
    for path in expected.keys().chain(found.keys()) {
        let is_same = expected.get(path) == found.get(path);
        assert!(is_same, "{what}: `{}` differs", path.escape_ascii());
    }
}

/// A tree on disk, in which a patch was applied by Git; `None` without Git.
fn apply_by_git(home: &Workspaces, tree: &Tree, name: &str, patch: &str) -> Option<PathBuf> {
    let root = home.home().path().join(name);
    fs::create_dir(&root).unwrap();
    disk::write(tree, &root);
    let patch = format!("../{patch}");
    git(&root, &["apply", "--binary", "--whitespace=nowarn", &patch]).map(|_| root)
}

/// Writes what differs in a workspace as a patch.
fn write_patch(home: &Workspaces, id: &str, options: &[&str], name: &str) {
    let diff = home.pyro(&[&["diff", id, "--binary"], options].concat());
    assert_eq!(diff.status, 0, "{}", diff.stderr);
    assert!(!diff.stdout.is_empty());
    fs::write(home.home().path().join(name), &diff.stdout).unwrap();
}

/// Applies a patch to a workspace, and brings out what is at a path then.
fn apply_by_pyro(home: &Workspaces, id: &str, patch: &str, path: &str, output: &str) {
    home.ok(&["patch", "apply", id, "--patch-file", patch]);
    home.ok(&["export", id, path, "--output", output]);
}

/// Those at or below a directory.
fn only(tree: &Tree, top: &str) -> Tree {
    let top = format!("{top}/").into_bytes();
    let inside = tree.iter().filter(|(path, _)| path.starts_with(&top));
    inside
        .map(|(path, state)| (path.clone(), state.clone()))
        .collect()
}

fn check(home: &Workspaces, pairs: &Pairs, round: u64) {
    let path = |name: &str| home.home().path().join(name);
    let [before, after, pushed, patch, by_git, patched] =
        ["before", "after", "pushed", "patch", "git", "patched"].map(|what| format!("{what}-{round}"));
    for (name, tree) in [(&before, &pairs.before), (&after, &pairs.after)] {
        fs::create_dir(path(name)).unwrap();
        disk::write(tree, &path(name));
    }
    let [changed, other] =
        [0; 2].map(|_| home.create(&["--seed-path", before.as_str(), "--include-ignored"]));
    let words = ["--include-ignored", "--delete"];
    home.ok(&[&["sync", "push", &changed, &after], &words[..]].concat());
    home.ok(&["export", &changed, "--output", &pushed]);
    assert_holds(&path(&pushed), &pairs.after, "push");

    write_patch(home, &changed, &[], &patch);
    if let Some(root) = apply_by_git(home, &pairs.before, &by_git, &patch) {
        assert_holds(&root, &pairs.after, "git apply");
    }
    check_alone(home, pairs, &changed, &other);
    home.ok(&["reset", &other]);
    apply_by_pyro(home, &other, &patch, ".", &patched);
    assert_holds(&path(&patched), &pairs.after, "patch apply");
    for id in [changed, other] {
        home.ok(&["delete", &id]);
    }
}

/// Takes some pairs by themselves, from one workspace to another.
fn check_alone(home: &Workspaces, pairs: &Pairs, changed: &str, other: &str) {
    let step = pairs.comparable.len().div_ceil(ALONE).max(1);
    for seed in pairs.comparable.iter().step_by(step) {
        let [patch, by_git, alone] = ["patch", "git", "alone"].map(|what| format!("{what}-of-{seed}"));
        write_patch(home, changed, &["--path", seed], &patch);
        let [before, after] = [&pairs.before, &pairs.after].map(|tree| only(tree, seed));
        if let Some(root) = apply_by_git(home, &before, &by_git, &patch) {
            assert_holds(&root, &after, &format!("git apply, {seed} alone"));
        }
        let output = home.home().path().join(&alone);
        fs::create_dir(&output).unwrap();
        apply_by_pyro(home, other, &patch, seed, &format!("{alone}/{seed}"));
        assert_holds(&output, &after, &format!("patch apply, {seed} alone"));
    }
}

#[test]
fn a_patch_means_the_same_to_git_and_to_another_workspace() {
    let home = Workspaces::new();
    let count = figure("PYRO_TEST_TREE_PAIRS", 300);
    let first = figure("PYRO_TEST_SEED", 0x5eed);
    let began = Instant::now();
    for (round, seed) in (first..first + count)
        .step_by(AT_ONCE.try_into().unwrap())
        .enumerate()
    {
        let end = (first + count).min(seed + AT_ONCE);
        check(&home, &Pairs::new(seed..end), round as u64);
    }
    println!("{count} pairs of trees from {first}: {:.1?}", began.elapsed());
}
