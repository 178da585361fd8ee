//! The tree in order: each directory right before what is in it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind};
use rustix::fs::{AtFlags, Stat};

use super::entry::{self, entry};
use super::names::Names;
use super::node;
use super::path::{MAX_PATH_BYTES, TreePath};
use super::resolve;

/// A walk through a directory, or all that is beneath it. It follows no link, and what vanishes or cannot be read while it
/// is under way is passed over. So is what has too long a path for anybody to ask for.
#[derive(Debug)]
pub(super) struct Walk {
    is_recursive: bool,
    levels: Vec<Level>,
}

/// A directory that is being walked through.
#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    /// Its path, with a slash at its end unless it is the root.
    prefix: Vec<u8>,
    /// Names up to this one are done, or not asked for.
    after: OsString,
    /// What is still to come, once it is read.
    names: Option<Names>,
}

impl Walk {
    /// Begins behind the names `after`, which lead down from `directory`, whether they are still there or not.
    pub(super) fn new(directory: OwnedFd, path: &TreePath, is_recursive: bool, after: &[&OsStr]) -> Self {
        let mut walk = Self {
            is_recursive,
            levels: vec![Level::new(directory, prefix(path.bytes()))],
        };
        let mut after: VecDeque<&OsStr> = after.iter().copied().collect();
        while let Some(level) = walk.levels.last_mut()
            && let Some(name) = after.pop_front()
        {
            // What is behind a directory begins with what is in it.
            name.clone_into(&mut level.after);
            let inner = is_recursive.then(|| level.enter(name)).flatten();
            let Some(inner) = inner else { break };
            walk.levels.push(inner);
        }
        walk
    }

    /// The next entry. The caller wants no more than `most`, this one included.
    pub(super) fn next(&mut self, most: usize) -> Option<FileEntry> {
        loop {
            let level = self.levels.last_mut()?;
            let Some(name) = level.next_name(most) else {
                self.levels.pop();
                continue;
            };
            let Some((entry, stat)) = level.look_at(&name) else {
                continue;
            };
            if self.is_recursive
                && entry::kind(&stat) == FileKind::Directory
                && let Some(inner) = level.enter(&name)
            {
                self.levels.push(inner);
            }
            return Some(entry);
        }
    }
}

impl Level {
    fn new(directory: OwnedFd, prefix: Vec<u8>) -> Self {
        Self {
            directory,
            prefix,
            after: OsString::new(),
            names: None,
        }
    }

    fn next_name(&mut self, most: usize) -> Option<OsString> {
        loop {
            let names = self
                .names
                .get_or_insert_with(|| Names::read(&self.directory, self.after.as_bytes(), most));
            if let Some(name) = names.next() {
                name.clone_into(&mut self.after);
                return Some(self.after.clone());
            }
            if !names.is_cut() {
                return None;
            }
            // Some of those that were to be enough have vanished.
            self.names = None;
        }
    }

    fn path_of(&self, name: &OsStr) -> Vec<u8> {
        [&self.prefix, name.as_bytes()].concat()
    }

    fn look_at(&self, name: &OsStr) -> Option<(FileEntry, Stat)> {
        let path = self.path_of(name);
        if path.len() > MAX_PATH_BYTES {
            return None;
        }
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let target = match entry::kind(&stat) {
            FileKind::Symlink => node::target(self.directory.as_fd(), name.as_bytes()).ok()?,
            _ => Bytes::new(),
        };
        Some((entry(path.into(), &stat, target), stat))
    }

    fn enter(&self, name: &OsStr) -> Option<Self> {
        let directory = resolve::directory_at(self.directory.as_fd(), name).ok()?;
        Some(Self::new(directory, prefix(&self.path_of(name))))
    }
}

fn prefix(path: &[u8]) -> Vec<u8> {
    let mut prefix = path.to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    prefix
}
