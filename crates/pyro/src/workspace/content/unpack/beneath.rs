//! Paths that a guest sends, and the directories that they lead to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// The longest path, in bytes (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4096;

/// The longest name, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// A directory and what is below it, which is reached component by component and never through a link.
#[derive(Debug)]
pub(super) struct Beneath {
    root: OwnedFd,
    /// The directory that was asked for last, and its path: what comes next is mostly in the same one.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Beneath {
    /// Opens a directory itself.
    pub(super) fn open(parent: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<Self, Errno> {
        let root = open_directory(parent, name)?;
        Ok(Self { root, last: None })
    }

    /// Opens the directory at a checked path; empty is the root.
    ///
    /// # Errors
    /// `ENOENT` if it is not there, `ENOTDIR` if it, or something on the way, is none or is a link.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let opened = self.walk(path)?;
            self.last = Some((path.to_vec(), opened));
        }
        Ok(self
            .last
            .as_ref()
            .map_or(self.root.as_fd(), |(_, last)| last.as_fd()))
    }

    fn walk(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let below_last = self.last.as_ref().and_then(|(last, handle)| {
            let rest = path.strip_prefix(last.as_slice())?.strip_prefix(b"/")?;
            Some((handle.as_fd(), rest))
        });
        let (from, rest) = below_last.unwrap_or((self.root.as_fd(), path));
        let (first, rest) = cut(rest);
        let mut here = open_directory(from, first)?;
        for name in rest.into_iter().flat_map(|rest| rest.split(|&byte| byte == b'/')) {
            here = open_directory(here.as_fd(), name)?;
        }
        Ok(here)
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// The first name of a path, and what follows it.
fn cut(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
        None => (path, None),
    }
}

/// The directory and the name in it that a path leads to.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// What is wrong with a path that a guest sent; `None` if it is below the root and can be the path of something.
pub(super) fn problem_of(path: &[u8]) -> Option<&'static str> {
    if path.len() > MAX_PATH_BYTES {
        return Some("is too long");
    }
    if path.contains(&0) {
        return Some("has a zero byte");
    }
    let is_bad = |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.len() > MAX_NAME_BYTES;
    path.split(|&byte| byte == b'/')
        .any(is_bad)
        .then_some("is no path below what is exported")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_told() {
        for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0"] {
            assert!(problem_of(path.as_bytes()).is_some(), "{path:?}");
        }
        assert!(problem_of(&[b'a'; 256]).is_some());
        assert!(problem_of("a/".repeat(2100).trim_end_matches('/').as_bytes()).is_some());
        for path in ["a", "a/b", "...", " ", "a/..b"] {
            assert_eq!(problem_of(path.as_bytes()), None, "{path:?}");
        }
    }

    #[test]
    fn directories_are_found_from_wherever_the_last_was() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("top/a/b/c")).unwrap();
        std::fs::create_dir_all(dir.path().join("top/ab")).unwrap();
        symlink("a", dir.path().join("top/link")).unwrap();
        let parent = File::open(dir.path()).unwrap();
        let mut beneath = Beneath::open(parent.as_fd(), "top").unwrap();
        for path in ["a/b/c", "a", "a/b/c", "ab", "", "a/b"] {
            let found = beneath.directory(path.as_bytes()).unwrap();
            let found = rustix::fs::fstat(found).unwrap().st_ino;
            let wanted = std::fs::metadata(dir.path().join("top").join(path)).unwrap();
            assert_eq!(found, std::os::unix::fs::MetadataExt::ino(&wanted), "{path}");
        }
        assert_eq!(beneath.directory(b"link/b").unwrap_err(), Errno::NOTDIR);
        assert_eq!(beneath.directory(b"a/none").unwrap_err(), Errno::NOENT);
    }
}
