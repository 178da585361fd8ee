//! What is at a path, by its metadata.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::file::{FileKind, FileNode};
use rustix::fs::{AtFlags, Dir, OFlags, Stat};
use rustix::io::Errno;
use rustix::time::ClockId;

use super::access;
use super::descent::is_absence;
use super::entry::{kind, permissions};
use super::relief;

/// A name in a directory.
pub(super) type Name = Box<[u8]>;

/// For how long after a change a further one may leave the same time (`jiffies`, with room to spare).
const CLOCK_STEP: Duration = Duration::from_millis(12);

/// The metadata of a name in a directory, of a link its own; of the directory itself for no name.
///
/// # Errors
/// Failures; that there is nothing is none.
pub(super) fn look(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    relief::touched();
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    match rustix::fs::statat(directory, name, flags) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if is_absence(error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The metadata of a name, once it is so old that any later change shows in it.
///
/// # Errors
/// As [`look`].
pub(super) fn look_settled(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    let stat = look(directory, name)?;
    match stat.as_ref().and_then(time_to_settle) {
        None => Ok(stat),
        Some(time) => {
            std::thread::sleep(time);
            look(directory, name)
        }
    }
}

fn time_to_settle(stat: &Stat) -> Option<Duration> {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    let seconds = now.tv_sec.checked_sub(stat.st_ctime)?;
    let nanos =
        i128::from(seconds) * 1_000_000_000 + i128::from(now.tv_nsec) - i128::from(stat.st_ctime_nsec);
    // A change in the future is as good as an old one: the clock was set since, and another will hardly hit its time.
    let age = Duration::from_nanos(u64::try_from(nanos).ok()?);
    CLOCK_STEP.checked_sub(age).filter(|time| !time.is_zero())
}

/// The length of a file's content or of a link's target, in bytes.
pub(super) fn size(stat: &Stat) -> u64 {
    match kind(stat) {
        FileKind::File | FileKind::Symlink => u64::try_from(stat.st_size).unwrap_or(0),
        _ => 0,
    }
}

/// One state of a changed path.
pub(super) fn node(stat: &Stat) -> FileNode {
    FileNode {
        kind: kind(stat).into(),
        mode: permissions(stat),
        size: size(stat),
    }
}

/// The time of the last change of content: seconds since the Unix epoch, and nanoseconds.
pub(super) fn modified(stat: &Stat) -> (i64, u32) {
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    (stat.st_mtime, nanos)
}

/// Tells this state from any other. A directory's does not depend on what is in it.
pub(super) fn stamp(stat: &Stat) -> Bytes {
    let mut stamp = Vec::with_capacity(56);
    stamp.extend_from_slice(&u64::from(stat.st_mode).to_be_bytes());
    if kind(stat) != FileKind::Directory {
        stamp.extend_from_slice(&stat.st_ino.to_be_bytes());
        stamp.extend_from_slice(&stat.st_size.to_be_bytes());
        stamp.extend_from_slice(&stat.st_mtime.to_be_bytes());
        stamp.extend_from_slice(&stat.st_mtime_nsec.to_be_bytes());
        stamp.extend_from_slice(&stat.st_ctime.to_be_bytes());
        stamp.extend_from_slice(&stat.st_ctime_nsec.to_be_bytes());
    }
    stamp.into()
}

/// The target of a symbolic link.
///
/// # Errors
/// Those of readlinkat(2).
pub(super) fn target(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Bytes, Errno> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    Ok(target.into_bytes().into())
}

/// Opens a regular file to read it; `None` if there is none any more.
///
/// # Errors
/// Failures; that there is something else, or nothing, is none.
pub(super) fn open_file(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<(File, Stat)>, Errno> {
    // A pipe that took the file's place must not hold this up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match access::open(directory, name, flags, access::READ) {
        Ok(file) => file,
        Err(Errno::NXIO | Errno::NODEV) => return Ok(None),
        Err(error) if is_absence(error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&file)?;
    Ok((kind(&stat) == FileKind::File).then(|| (File::from(file), stat)))
}

/// The names in a directory, in the order of their bytes; none if it is gone.
///
/// # Errors
/// Failures to open or to read it.
pub(super) fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<Name>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = match access::open(directory, b".", flags, access::READ) {
        Ok(directory) => directory,
        Err(error) if is_absence(error) => return Ok(Vec::new()),
        // Nobody can look at what is in it: not even the agent, unless it is root.
        Err(Errno::ACCESS) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = match entry {
            Ok(entry) => entry,
            // It was removed while it was read.
            Err(Errno::NOENT) => break,
            Err(error) => return Err(error.into()),
        };
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(Name::from(name));
        }
    }
    names.sort_unstable();
    Ok(names)
}
