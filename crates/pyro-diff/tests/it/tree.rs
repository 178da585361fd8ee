//! Trees of files in memory and on disk.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pyro_diff::{
    Applied, Change, Contents, Diff, DiffOptions, FileState, Mode, Node, Operation, Patch, Side, diff,
};

pub(crate) type Tree = BTreeMap<Vec<u8>, FileState>;

/// A tree of regular files.
pub(crate) fn files(files: &[(&str, &str)]) -> Tree {
    let entry =
        |(path, content): &(&str, &str)| (path.as_bytes().to_vec(), file(Mode::File, content.as_bytes()));
    files.iter().map(entry).collect()
}

pub(crate) fn file(mode: Mode, content: &[u8]) -> FileState {
    FileState {
        mode,
        content: content.to_vec(),
    }
}

/// What is at a path: a file, or a directory if something is below it.
pub(crate) fn at(tree: &Tree, path: &[u8]) -> Option<FileState> {
    let is_below = |other: &Vec<u8>| {
        other
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with(b"/"))
    };
    let directory = || tree.keys().any(is_below).then(|| file(Mode::Directory, b""));
    tree.get(path).cloned().or_else(directory)
}

pub(crate) fn write(tree: &Tree, root: &Path) {
    for (path, state) in tree {
        let path = root.join(OsStr::from_bytes(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if state.mode == Mode::Symlink {
            std::os::unix::fs::symlink(OsStr::from_bytes(&state.content), path).unwrap();
        } else {
            fs::write(&path, &state.content).unwrap();
            let bits = if state.mode == Mode::Executable {
                0o755
            } else {
                0o644
            };
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
        }
    }
}

pub(crate) fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                pending.push(path);
                continue;
            }
            let state = if metadata.is_symlink() {
                file(
                    Mode::Symlink,
                    fs::read_link(&path).unwrap().as_os_str().as_bytes(),
                )
            } else {
                let is_executable = metadata.permissions().mode() & 0o100 != 0;
                let mode = if is_executable {
                    Mode::Executable
                } else {
                    Mode::File
                };
                file(mode, &fs::read(&path).unwrap())
            };
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
            tree.insert(name.to_vec(), state);
        }
    }
    tree
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
