//! Paths opened beneath the live tree, whatever links exist and whoever changes them meanwhile.
//!
//! Commands see the tree at `/workspace`, the agent sees it elsewhere. So a link is followed as a command would follow it,
//! as far as that is in the tree: `/workspace/x` is `x`, and `../workspace/x` in the root is as well. Without a guest commands
//! know it by its own path, and links may begin with that.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use pyro_proto::message::Fault;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::access;
use super::node;
use super::path::TreePath;
use super::refusal;
use super::tree::Tree;

/// How many links are followed on one way, as by the kernel.
const MAX_LINKS: usize = 40;

/// How often a way is looked for that somebody else changes again and again.
const ATTEMPTS: usize = 8;

/// The directory of `/` in which commands see the tree.
const TREE_NAME: &[u8] = b"workspace";

/// What holds for every step: no mount of somebody else's, no link of `/proc`.
const CAREFUL: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// What happens to a link at the very end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLink {
    /// It is followed as the others are.
    Follow,
    /// It is what is opened.
    Keep,
}

/// Something that was found, and not opened in the sense of its kind: a fifo's other end sees nothing of it.
#[derive(Debug)]
pub(super) struct Found {
    /// An `O_PATH` descriptor.
    pub(super) handle: OwnedFd,
    /// What it is.
    pub(super) stat: Stat,
}

impl Found {
    /// Takes a descriptor over.
    ///
    /// # Errors
    /// When the kernel says nothing of it.
    pub(super) fn new(handle: OwnedFd) -> io::Result<Self> {
        let stat = rustix::fs::fstat(&handle)?;
        Ok(Self { handle, stat })
    }

    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }

    /// Opens it for use, by way of the agent's `/proc`. Check its kind before: a fifo or a device would notice.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(&self, flags: OFlags) -> io::Result<OwnedFd> {
        access::reopen(&self.handle, flags | OFlags::CLOEXEC).map_err(Into::into)
    }
}

/// Finds what is at a path, by links that stay in the tree.
///
/// # Errors
/// A [`Fault`] that names the path: it does not exist, leaves the tree, or has too many links.
pub(super) fn find(tree: &Tree, path: &TreePath, last: LastLink) -> Result<Found, Fault> {
    let found = find_at_once(tree.root.as_fd(), path, last).or_else(|error| match error {
        // A link that begins at `/` or goes up may still lead back into the tree. Or somebody moves directories.
        Errno::XDEV | Errno::AGAIN => walk(tree, path, last),
        error => Err(error),
    });
    found
        .map_err(io::Error::from)
        .and_then(Found::new)
        .map_err(|error| refusal::failed("find", path, error))
}

/// Opens a directory beneath the tree, to be read or synced, through no link at all. An empty path is the root.
///
/// # Errors
/// A [`Fault`] that names the path: it does not exist, is no directory, or there is a link on the way.
pub(super) fn open_directory(tree: &Tree, path: &TreePath) -> Result<OwnedFd, Fault> {
    directory_at(tree.root.as_fd(), path.for_system()).map_err(|error| match error {
        Errno::LOOP => refusal::through_link(path),
        error => refusal::failed("open", path, error),
    })
}

/// Opens the directory at a relative path of plain names beneath another, through no link at all.
///
/// # Errors
/// `ELOOP` if there is a link on the way or at the end, and what else the kernel says.
pub(super) fn directory_at(directory: BorrowedFd<'_>, path: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let careful = CAREFUL | ResolveFlags::NO_SYMLINKS;
    again(|| rustix::fs::openat2(directory, path, flags, Mode::empty(), careful))
}

/// Finds what has a name in a directory, a link too, which is not followed.
///
/// # Errors
/// What the kernel says; `ENOENT` if there is nothing.
pub(super) fn find_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let careful = CAREFUL | ResolveFlags::NO_SYMLINKS;
    again(|| rustix::fs::openat2(directory, name, flags, Mode::empty(), careful))
}

fn find_at_once(root: BorrowedFd<'_>, path: &TreePath, last: LastLink) -> Result<OwnedFd, Errno> {
    let follow = match last {
        LastLink::Follow => OFlags::empty(),
        LastLink::Keep => OFlags::NOFOLLOW,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC | follow;
    rustix::fs::openat2(root, path.for_system(), flags, Mode::empty(), CAREFUL)
}

/// The kernel gives up at once if a directory is moved anywhere while it looks for one above.
fn again<T>(mut step: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..ATTEMPTS {
        match step() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => return outcome,
        }
    }
    step()
}

/// Where a walk has come to.
struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// From the root, without it, to here; nothing but the last may be other than a directory.
    way: Vec<Found>,
    /// Whether it is in the directory above the tree, which it may only leave into the tree.
    is_above: bool,
}

/// Takes a path name by name, and each link on the way as a command would take it.
fn walk(tree: &Tree, path: &TreePath, last: LastLink) -> Result<OwnedFd, Errno> {
    let mut walk = Walk {
        root: tree.root.as_fd(),
        way: Vec::new(),
        is_above: false,
    };
    // What is still to go, the next name last.
    let mut ahead: Vec<OsString> = path.names().rev().map(OsStr::to_owned).collect();
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let Some(link) = walk.step(&name)? else { continue };
        if ahead.is_empty() && last == LastLink::Keep {
            return Ok(link);
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = node::target(link.as_fd(), b"")?;
        let beneath = beneath_tree(tree, &target);
        if beneath.is_some() {
            walk.way.clear();
            walk.is_above = false;
        } else if target.starts_with(b"/") {
            walk.rise();
        }
        let names = beneath.unwrap_or(&target).split(|&byte| byte == b'/').rev();
        ahead.extend(names.map(|name| OsStr::from_bytes(name).to_owned()));
    }
    walk.end()
}

/// What of an absolute path is beneath the tree, where that has a path of its own.
fn beneath_tree<'a>(tree: &Tree, path: &'a [u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(tree.path.as_ref()?.as_os_str().as_bytes())?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

impl Walk<'_> {
    /// Goes on by one name, and gives the link that is there, if it is one.
    fn step(&mut self, name: &OsStr) -> Result<Option<OwnedFd>, Errno> {
        if self.way.last().is_some_and(|last| !last.is_directory()) {
            return Err(Errno::NOTDIR);
        }
        match name.as_bytes() {
            b"" | b"." => {}
            b".." if self.way.pop().is_none() => self.is_above = true,
            b".." => {}
            TREE_NAME if self.is_above => self.is_above = false,
            _ if self.is_above => return Err(Errno::XDEV),
            _ => {
                let handle = find_at(self.here(), name)?;
                let stat = rustix::fs::fstat(&handle)?;
                let found = Found { handle, stat };
                if FileType::from_raw_mode(found.stat.st_mode) == FileType::Symlink {
                    return Ok(Some(found.handle));
                }
                self.way.push(found);
            }
        }
        Ok(None)
    }

    fn rise(&mut self) {
        self.way.clear();
        self.is_above = true;
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.way.last().map_or(self.root, |last| last.handle.as_fd())
    }

    fn end(mut self) -> Result<OwnedFd, Errno> {
        if self.is_above {
            return Err(Errno::XDEV);
        }
        match self.way.pop() {
            Some(found) => Ok(found.handle),
            None => find_at(self.root, OsStr::new(".")),
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
