//! What stands in one directory.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Access, AtFlags, Dir, FileType, Stat, accessat, fstat, statat};
use rustix::io::Errno;

use crate::layer::Timestamp;

/// A name in a directory and what stands there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: Box<[u8]>,
    pub(super) status: Status,
}

/// What is needed of a file's status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    pub(super) kind: FileType,
    pub(super) mode: u16,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    /// Device and inode, by which hard links are told.
    pub(super) identity: (u64, u64),
    pub(super) has_more_names: bool,
}

impl Status {
    /// The status of the file behind a handle.
    pub(super) fn of(handle: impl AsFd) -> Result<Self, Errno> {
        fstat(handle).map(|stat| Self::from_stat(&stat))
    }

    /// The status of a name in a directory, of a symbolic link its own.
    pub(super) fn at(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Self, Errno> {
        statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Self::from_stat(&stat))
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    fn from_stat(stat: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: u16::try_from(stat.st_mode & 0o7777).expect("twelve bits"),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: Timestamp {
                seconds: stat.st_mtime,
                nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
            },
            identity: (stat.st_dev, stat.st_ino),
            has_more_names: stat.st_nlink > 1,
        }
    }
}

/// Calls `each` with the names in a directory, `.` and `..` left out, in no order.
pub(super) fn for_each_name<E: From<Errno>>(
    directory: impl AsFd,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(name)?;
        }
    }
    Ok(())
}

/// Whether the caller may read a file, or read and enter a directory.
pub(super) fn is_readable(directory: BorrowedFd<'_>, found: &Found) -> bool {
    let access = if found.status.is_directory() {
        Access::READ_OK | Access::EXEC_OK
    } else {
        Access::READ_OK
    };
    accessat(directory, &*found.name, access, AtFlags::EACCESS).is_ok()
}
