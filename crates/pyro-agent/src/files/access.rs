//! Files of the agent's own user, whatever their modes say.
//!
//! In a guest the agent is root, whom no mode holds up. On a host it may be anybody, and a command may have made a file
//! that not even its owner may read, or a directory that takes nothing in: for as long as something is done there, it does.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::entry::permissions;

/// What an owner needs to read a file.
pub(super) const READ: u32 = 0o400;

/// What an owner needs to look at what is in a directory.
const LOOK: u32 = 0o500;

/// What an owner needs to do anything with a directory.
pub(super) const ALL: u32 = 0o700;

/// Opens what has a name in a directory; if its mode forbids that, with further `bits` of it for as long as that takes.
///
/// # Errors
/// Those of openat(2).
pub(super) fn open(
    directory: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    bits: u32,
) -> Result<OwnedFd, Errno> {
    let open = || rustix::fs::openat(directory, name, flags, Mode::empty());
    match open() {
        Err(Errno::ACCESS) if is_limited() => {}
        opened => return opened,
    }
    with_mode(&handle(directory, name)?, bits, open)
}

/// As [`open`], of what was found before.
///
/// # Errors
/// Those of openat(2).
pub(super) fn reopen(handle: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    let open = || rustix::fs::openat(CWD, own_path(handle), flags, Mode::empty());
    match open() {
        Err(Errno::ACCESS) if is_limited() => {}
        opened => return opened,
    }
    with_mode(handle, READ, open)
}

/// Renames as renameat2(2) does, whatever the modes of the directories say, and of what is moved if that is one.
///
/// # Errors
/// Those of renameat2(2).
pub(super) fn rename(from: At<'_>, to: At<'_>, flags: RenameFlags) -> Result<(), Errno> {
    let rename = || rustix::fs::renameat_with(from.0, from.1, to.0, to.1, flags);
    match rename() {
        Err(Errno::ACCESS) if is_limited() => {}
        renamed => return renamed,
    }
    let (source, target) = (handle(from.0, b".")?, handle(to.0, b".")?);
    let moved = handle(from.0, from.1)?;
    with_mode(&source, ALL, || {
        with_mode(&target, ALL, || match rename() {
            // The `..` in it changes.
            Err(Errno::ACCESS) => with_mode(&moved, ALL, rename),
            renamed => renamed,
        })
    })
}

/// A name in a directory.
pub(super) type At<'a> = (BorrowedFd<'a>, &'a [u8]);

/// Does something while a file's mode has further bits.
fn with_mode<T>(handle: &OwnedFd, bits: u32, action: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let mode = permissions(&rustix::fs::fstat(handle)?);
    if mode & bits == bits {
        return action();
    }
    set_mode(handle, mode | bits)?;
    let outcome = action();
    set_mode(handle, mode)?;
    outcome
}

/// Lets the owner of a directory do anything with it. Gives the mode that it had, if that was another.
///
/// # Errors
/// Those of chmod(2).
pub(super) fn open_up(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<u32>, Errno> {
    if !is_limited() {
        return Ok(None);
    }
    let handle = handle(directory, name)?;
    let mode = permissions(&rustix::fs::fstat(&handle)?);
    if mode & ALL == ALL {
        return Ok(None);
    }
    set_mode(&handle, mode | ALL)?;
    Ok(Some(mode))
}

/// A directory in which its owner may look at everything for as long as this is held.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    directory: OwnedFd,
    // That it has otherwise.
    mode: Option<u32>,
}

impl OpenDirectory {
    /// Leaves the directory as it is.
    pub(super) fn as_it_is(directory: OwnedFd) -> Self {
        Self {
            directory,
            mode: None,
        }
    }

    /// Opens it up if its mode demands that. Somebody else's stays as it is.
    ///
    /// # Errors
    /// That of fstat(2).
    pub(super) fn to_look_in(directory: OwnedFd) -> Result<Self, Errno> {
        let mut opened = Self::as_it_is(directory);
        if is_limited() {
            let mode = permissions(&rustix::fs::fstat(&opened.directory)?);
            let is_opened = mode & LOOK != LOOK && set_mode(&opened.directory, mode | LOOK).is_ok();
            opened.mode = is_opened.then_some(mode);
        }
        Ok(opened)
    }
}

impl AsFd for OpenDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for OpenDirectory {
    fn drop(&mut self) {
        if let Some(mode) = self.mode {
            let _gone_meanwhile = set_mode(&self.directory, mode);
        }
    }
}

/// Whether modes hold this process up.
pub(super) fn is_limited() -> bool {
    !rustix::process::geteuid().is_root()
}

fn handle(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// A handle of this kind has no mode to be changed but by its path.
fn set_mode(handle: &OwnedFd, mode: u32) -> Result<(), Errno> {
    rustix::fs::chmodat(CWD, own_path(handle), Mode::from_raw_mode(mode), AtFlags::empty())
}

fn own_path(handle: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}
