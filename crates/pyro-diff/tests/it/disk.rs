//! Trees of files in memory, and on disk. The tests of workspaces use this too.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pyro_diff::{FileState, Mode};

/// Files by their paths.
pub(crate) type Tree = BTreeMap<Vec<u8>, FileState>;

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
