//! Modes, times and owners.

use std::os::fd::{AsFd, BorrowedFd};

use pyro_proto::file::{FileEntry, PutEntry};
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::entry::permissions;
use super::node;
use super::tree::Owner;

/// The bits of a mode that an entry may set.
const MODE_BITS: u32 = 0o7777;

/// What is to be made of a file's mode and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    /// The permission bits; `None` keeps those that are there.
    pub(super) mode: Option<u32>,
    /// The time of the last change, in seconds since the Unix epoch and nanoseconds; `None` is what comes by itself.
    pub(super) modified: Option<(i64, u32)>,
}

impl Attributes {
    /// Those that an entry asks for, if there is nothing at its path yet.
    pub(super) fn wanted(put: &PutEntry, entry: &FileEntry) -> Self {
        let nanos = entry.modified_ns.min(999_999_999);
        Self {
            mode: Some(entry.mode & MODE_BITS),
            modified: (!put.touch).then_some((entry.modified_s, nanos)),
        }
    }

    /// Those that a file has.
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            mode: Some(permissions(stat)),
            modified: Some(node::modified(stat)),
        }
    }

    /// The times to set, if any.
    pub(super) fn times(&self) -> Option<Timestamps> {
        let (seconds, nanos) = self.modified?;
        Some(Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: seconds,
                tv_nsec: nanos.into(),
            },
        })
    }
}

/// Gives a directory mode and time, as far as it has not got them.
///
/// # Errors
/// Those of chmod(2) and utimensat(2).
pub(super) fn set(directory: BorrowedFd<'_>, attributes: Attributes) -> Result<(), Errno> {
    let Some(stat) = node::look(directory, b"")? else {
        return Err(Errno::NOENT);
    };
    let now = Attributes::of(&stat);
    if let Some(mode) = attributes.mode.filter(|mode| Some(*mode) != now.mode) {
        rustix::fs::chmodat(directory, ".", Mode::from_raw_mode(mode), AtFlags::empty())?;
    }
    match attributes.times() {
        Some(times) if attributes.modified != now.modified => {
            rustix::fs::utimensat(directory, ".", &times, AtFlags::empty())
        }
        _ => Ok(()),
    }
}

/// Gives a file, or a link itself, to its owner; without one it stays that of whoever made it.
///
/// # Errors
/// Those of chown(2).
pub(super) fn chown(directory: BorrowedFd<'_>, name: &[u8], owner: Option<Owner>) -> Result<(), Errno> {
    let Some(Owner { uid, gid }) = owner else {
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// As [`chown`], for an open file.
///
/// # Errors
/// Those of fchown(2).
pub(super) fn give(file: impl AsFd, owner: Option<Owner>) -> Result<(), Errno> {
    let Some(Owner { uid, gid }) = owner else {
        return Ok(());
    };
    rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}
