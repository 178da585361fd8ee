//! Directories beneath another one, by paths of any length and depth, through no link.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::access::{self, OpenDirectory};
use super::byte_path;

/// How many directories stay open, those nearest to the one that was asked for last. A walk that comes back to one that
/// is not open any more opens as many at once, so a deep tree costs little more than a flat one.
const KEPT: usize = 16;

/// The most bytes of a path for one system call.
const CALL_BYTES: usize = 4000;

/// Opens directories beneath one, and keeps the last of them open: who asks for neighbours pays for one step.
///
/// While it lives, a directory that a command moves is still found where it was.
#[derive(Debug)]
pub(super) struct Descent {
    base: OpenDirectory,
    // Of the deepest open directory.
    path: Vec<u8>,
    // With the lengths of their paths, ascending.
    open: VecDeque<(usize, OpenDirectory)>,
    // Whether directories are opened up to look in them.
    looks: bool,
}

impl Descent {
    /// Begins beneath `base`.
    ///
    /// # Errors
    /// That of duplicating the descriptor.
    pub(super) fn new(base: impl AsFd) -> io::Result<Self> {
        let base = base.as_fd().try_clone_to_owned()?;
        Ok(Self::of(OpenDirectory::as_it_is(base), false))
    }

    /// Begins beneath `base` to look at what is there: a directory whose mode forbids that to its owner is opened up for
    /// as long as it is open here.
    ///
    /// # Errors
    /// Those of duplicating the descriptor and of looking at it.
    pub(super) fn to_look(base: impl AsFd) -> io::Result<Self> {
        let base = base.as_fd().try_clone_to_owned()?;
        Ok(Self::of(OpenDirectory::to_look_in(base)?, true))
    }

    fn of(base: OpenDirectory, looks: bool) -> Self {
        Self {
            base,
            path: Vec::new(),
            open: VecDeque::new(),
            looks,
        }
    }

    /// The directory beneath which it opens others.
    pub(super) fn base(&self) -> BorrowedFd<'_> {
        self.base.as_fd()
    }

    /// The directory at a path; the descriptor is good for what is done at a directory, not for reading it.
    ///
    /// # Errors
    /// [`is_absence`] tells those that mean that there is no such directory from failures.
    pub(super) fn open(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        let shared = shared_length(&self.path, path);
        while self.open.back().is_some_and(|(length, _)| *length > shared) {
            self.open.pop_back();
        }
        let deepest = self.open.back().map_or(0, |(length, _)| *length);
        self.path.truncate(deepest);
        let below = if deepest == 0 { 0 } else { deepest + 1 };
        let rest = path.get(below..).unwrap_or_default();
        let ends: Vec<usize> = byte_path::ends(rest).map(|end| below + end).collect();
        let one_by_one = ends.len().saturating_sub(KEPT);
        if let Some(end) = one_by_one.checked_sub(1).and_then(|last| ends.get(last)) {
            self.step(path, *end)?;
        }
        for end in ends.iter().skip(one_by_one) {
            self.step(path, *end)?;
        }
        Ok(self.deepest())
    }

    /// Opens `path[..end]`, which is beneath the deepest open directory.
    fn step(&mut self, path: &[u8], end: usize) -> Result<(), Errno> {
        let from = self.path.len();
        let below = if from == 0 { 0 } else { from + 1 };
        let (from_there, rest) = (self.deepest(), &path[below..end]);
        let directory = if self.looks {
            look_beneath(from_there, rest)?
        } else {
            OpenDirectory::as_it_is(open_beneath(from_there, rest)?)
        };
        self.path.extend_from_slice(&path[from..end]);
        self.open.push_back((end, directory));
        if self.open.len() > KEPT {
            self.open.pop_front();
        }
        Ok(())
    }

    fn deepest(&self) -> BorrowedFd<'_> {
        match self.open.back() {
            Some((_, directory)) => directory.as_fd(),
            None => self.base.as_fd(),
        }
    }
}

/// Opens the directory at a path, through no link.
///
/// # Errors
/// As [`Descent::open`].
pub(super) fn open_beneath(base: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut at = None;
    let mut rest = path;
    while !rest.is_empty() {
        let end = byte_path::ends(rest)
            .take_while(|end| *end <= CALL_BYTES)
            .last()
            .ok_or(Errno::NAMETOOLONG)?;
        let from = at.as_ref().map_or(base, AsFd::as_fd);
        at = Some(open_some(from, &rest[..end])?);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    match at {
        Some(directory) => Ok(directory),
        None => open_some(base, b"."),
    }
}

/// Opens the directory at a path as [`open_beneath`] does, to look at what is in it whatever its mode says.
///
/// # Errors
/// As [`Descent::open`].
pub(super) fn look_beneath(base: BorrowedFd<'_>, path: &[u8]) -> Result<OpenDirectory, Errno> {
    match open_beneath(base, path) {
        Err(Errno::ACCESS) if access::is_limited() => {}
        opened => return OpenDirectory::to_look_in(opened?),
    }
    let mut at = OpenDirectory::to_look_in(rustix::io::fcntl_dupfd_cloexec(base, 0)?)?;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        at = OpenDirectory::to_look_in(open_some(at.as_fd(), name)?)?;
    }
    Ok(at)
}

fn open_some(base: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(base, path, flags, Mode::empty(), resolve)
}

/// Whether an error says that nothing is at a path, or nothing that is reached without following a link.
pub(super) fn is_absence(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::XDEV
    )
}

/// How many bytes of whole components two paths have in common.
fn shared_length(one: &[u8], other: &[u8]) -> usize {
    let shorter = one.len().min(other.len());
    // Most are one beneath the other, and long ones are compared quickly so.
    let same = if one[..shorter] == other[..shorter] {
        shorter
    } else {
        one.iter().zip(other).take_while(|(a, b)| a == b).count()
    };
    let ends_here = |path: &[u8]| path.len() == same || path.get(same) == Some(&b'/');
    if ends_here(one) && ends_here(other) {
        same
    } else {
        one[..same].iter().rposition(|byte| *byte == b'/').unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn only_whole_components_are_shared() {
        for (one, other, length) in [
            ("", "a", 0),
            ("a/b", "a/b", 3),
            ("a/b", "a/b/c", 3),
            ("a/b", "a/bc", 1),
            ("ab", "ac", 0),
            ("a/b/c", "a", 1),
        ] {
            assert_eq!(
                shared_length(one.as_bytes(), other.as_bytes()),
                length,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn a_tree_of_any_depth_is_walked_with_few_descriptors() {
        const LEVELS: usize = 2000;
        let top = tempfile::tempdir().unwrap();
        let base = File::open(top.path()).unwrap();
        let mut down = Descent::new(&base).unwrap();
        let mut path = Vec::new();
        for _ in 0..LEVELS {
            rustix::fs::mkdirat(down.open(&path).unwrap(), "name", Mode::RWXU).unwrap();
            byte_path::push(&mut path, b"name");
        }
        while let Some((parent, name)) = byte_path::split(&path) {
            let parent = parent.to_vec();
            rustix::fs::unlinkat(down.open(&parent).unwrap(), name, rustix::fs::AtFlags::REMOVEDIR).unwrap();
            assert!(down.open.len() <= KEPT);
            path = parent;
        }
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_link_is_followed_and_nothing_above_is_found() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("base/real/deep")).unwrap();
        std::os::unix::fs::symlink("real", top.path().join("base/link")).unwrap();
        let base = File::open(top.path().join("base")).unwrap();
        let mut down = Descent::new(&base).unwrap();
        down.open(b"real/deep").unwrap();
        for path in [&b"link"[..], b"link/deep", b"..", b"real/../..", b"missing"] {
            let error = down.open(path).unwrap_err();
            assert!(is_absence(error), "{error}");
        }
    }
}
