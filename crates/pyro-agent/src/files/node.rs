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

/// To what a filesystem may round the time of a change down.
const GRANULARITY_NANOS: i128 = 1000;

/// How long to sleep between two looks at a change that is as old as the clock of changes tells.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How often to sleep at most. A tick takes a kernel 10 ms at most; a file may be written all the time.
const LOOKS: u32 = 16;

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

/// The metadata once it is so old that any later change shows in it; `again` is what it is now.
///
/// # Errors
/// Those of `again`.
pub(super) fn settled(
    stat: Stat,
    again: impl Fn() -> Result<Option<Stat>, Errno>,
) -> Result<Option<Stat>, Errno> {
    let mut found = Some(stat);
    for _ in 0..LOOKS {
        match &found {
            Some(stat) if is_fresh(stat) => std::thread::sleep(LOOK_AGAIN),
            _ => break,
        }
        found = again()?;
    }
    Ok(found)
}

/// Whether a further change may leave the same time.
///
/// Changes bear the time of the last tick, and a guest whose host is busy gets its ticks late: only the coarse clock
/// says that there was another (`clock_gettime(2)`). A change in the future is as good as an old one: the clock was
/// set since, or the kernel gives each change that was looked at a time of its own.
pub(super) fn is_fresh(stat: &Stat) -> bool {
    let now = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
    let seconds = i128::from(now.tv_sec) - i128::from(stat.st_ctime);
    let age = seconds * 1_000_000_000 + i128::from(now.tv_nsec) - i128::from(stat.st_ctime_nsec);
    (0..GRANULARITY_NANOS).contains(&age)
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
        // Somebody else's, which the agent could not open up.
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn whatever_is_written_after_a_state_has_settled_shows() {
        let ground = tempfile::tempdir().unwrap();
        let directory = File::open(ground.path()).unwrap();
        let look = || look(directory.as_fd(), b"file");
        for round in 0..100 {
            std::fs::write(ground.path().join("file"), "a").unwrap();
            let before = settled(look().unwrap().unwrap(), look).unwrap().unwrap();
            std::fs::write(ground.path().join("file"), "b").unwrap();
            let after = look().unwrap().unwrap();
            assert_ne!(stamp(&before), stamp(&after), "round {round}");
        }
    }
}
