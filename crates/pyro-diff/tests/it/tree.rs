//! Trees of files, and what is done with them.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::BTreeSet;
use std::io;

use pyro_diff::{Applied, Change, Contents, Diff, DiffOptions, Mode, Node, Operation, Patch, Side, diff};

pub(crate) use crate::disk::{Tree, at, file, read, write};

/// A tree of regular files.
pub(crate) fn files(files: &[(&str, &str)]) -> Tree {
    let entry =
        |(path, content): &(&str, &str)| (path.as_bytes().to_vec(), file(Mode::File, content.as_bytes()));
    files.iter().map(entry).collect()
}

struct Both<'a> {
    old: &'a Tree,
    new: &'a Tree,
    paths: Vec<Vec<u8>>,
}

impl Contents for Both<'_> {
    fn read(&mut self, side: Side, index: usize) -> io::Result<Vec<u8>> {
        let tree = if side == Side::Old { self.old } else { self.new };
        let file = tree.get(&self.paths[index]);
        file.map(|file| file.content.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Compares two trees, telling of all their files.
pub(crate) fn compare(old: &Tree, new: &Tree, options: &DiffOptions) -> Diff {
    let paths: BTreeSet<Vec<u8>> = old.keys().chain(new.keys()).cloned().collect();
    let paths: Vec<Vec<u8>> = paths.into_iter().collect();
    let node = |tree: &Tree, path: &[u8]| {
        at(tree, path).map(|file| Node {
            mode: file.mode,
            size: file.content.len() as u64,
        })
    };
    let change = |path: &Vec<u8>| Change {
        path: path.clone(),
        old: node(old, path),
        new: node(new, path),
    };
    let changes: Vec<Change> = paths.iter().map(change).collect();
    diff(&changes, &mut Both { old, new, paths }, options).unwrap()
}

/// What a patch needs to know of a tree.
pub(crate) fn state(patch: &Patch, tree: &Tree) -> Tree {
    let state = |path: &[u8]| {
        let below = path.strip_prefix(b"/workspace/").unwrap_or(path);
        at(tree, below).map(|file| (path.to_vec(), file))
    };
    patch.paths().into_iter().filter_map(state).collect()
}

/// Does what a patch that was applied says.
pub(crate) fn put(applied: &Applied, tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    for operation in &applied.operations {
        match operation {
            Operation::Delete { path } => assert!(tree.remove(path).is_some(), "{}", path.escape_ascii()),
            Operation::Write {
                path, mode, content, ..
            } => {
                tree.insert(path.clone(), file(*mode, content));
            }
        }
    }
    tree
}
