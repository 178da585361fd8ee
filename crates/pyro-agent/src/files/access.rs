//! Files of the agent's own user, whatever their modes say.
//!
//! In a guest the agent is root, whom no mode holds up. On a host it may be anybody, and a command may have made a file
//! that not even its owner may read: only while that is opened, it may.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::entry::permissions;

/// What an owner needs to read a file.
pub(super) const READ: u32 = 0o400;

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
    let handle = handle(directory, name)?;
    let mode = permissions(&rustix::fs::fstat(&handle)?);
    set_mode(&handle, mode | bits)?;
    let opened = open();
    set_mode(&handle, mode)?;
    opened
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

/// Whether modes hold this process up.
fn is_limited() -> bool {
    !rustix::process::geteuid().is_root()
}

fn handle(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// A handle of this kind has no mode to be changed but by its path.
fn set_mode(handle: &OwnedFd, mode: u32) -> Result<(), Errno> {
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())
}
