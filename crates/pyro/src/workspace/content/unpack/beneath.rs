//! What is below a directory that this process made.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timestamps, fchmod, futimens, linkat, openat, statat};
use rustix::io::Errno;

use super::UnpackError;

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
            .map_or_else(|| self.root.as_fd(), |(_, last)| last.as_fd()))
    }

    /// Opens the directory in which the path is to be; `refused` makes errors of what only the host can mean.
    ///
    /// # Errors
    /// [`UnpackError::Garbage`] if it was not made.
    pub(super) fn parent_of(
        &mut self,
        path: &[u8],
        refused: impl FnOnce(Errno) -> UnpackError,
    ) -> Result<BorrowedFd<'_>, UnpackError> {
        self.directory(split(path).0).map_err(|error| match error {
            Errno::NOENT => UnpackError::garbage(path, "comes before its directory"),
            Errno::NOTDIR | Errno::LOOP => UnpackError::garbage(path, "is below what is no directory"),
            error => refused(error),
        })
    }

    /// Gives a file or a link that was made a further name.
    ///
    /// # Errors
    /// [`UnpackError::Garbage`] if it was not made, or the directory of its further name was not.
    pub(super) fn link(
        &mut self,
        first: &[u8],
        path: &[u8],
        refused: impl Fn(Errno) -> UnpackError,
    ) -> Result<(), UnpackError> {
        let no_file = || UnpackError::garbage(path, "is a further name of no file");
        let (above, first_name) = split(first);
        let opened = self.directory(above).map_err(|_| no_file())?;
        // Kept open while the other directory is looked for.
        let first_parent = opened.try_clone_to_owned().map_err(|_| refused(Errno::MFILE))?;
        let status = statat(&first_parent, first_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| no_file())?;
        if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
            return Err(no_file());
        }
        let parent = self.parent_of(path, &refused)?;
        linkat(&first_parent, first_name, parent, split(path).1, AtFlags::empty()).map_err(refused)
    }

    /// Gives a directory its mode and time.
    pub(super) fn settle(&mut self, path: &[u8], permissions: Mode, times: &Timestamps) -> Result<(), Errno> {
        let directory = self.directory(path)?;
        fchmod(directory, permissions)?;
        futimens(directory, times)
    }

    fn walk(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let below_last = self.last.as_ref().and_then(|(last, handle)| {
            let rest = path.strip_prefix(last.as_slice())?.strip_prefix(b"/")?;
            Some((handle.as_fd(), rest))
        });
        let (from, rest) = below_last.unwrap_or_else(|| (self.root.as_fd(), path));
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;

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
