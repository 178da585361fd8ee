//! Opening what lies beneath a directory, never through a symbolic link.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::seed::SeedError;

/// A directory to read.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// A directory on the way, of which only the right to pass is needed.
const PASSED: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// A file to read. Opening a named pipe that took its place must not wait for a writer.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The directory at the root of a seed.
#[derive(Debug)]
pub(in crate::seed) struct Root {
    handle: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the root itself; `path` has no links.
    pub(super) fn open(path: PathBuf) -> Result<Self, SeedError> {
        match openat(CWD, &path, DIRECTORY, Mode::empty()) {
            Ok(handle) => Ok(Self { handle, path }),
            Err(error) => Err(SeedError::Read {
                path,
                source: error.into(),
            }),
        }
    }

    /// Opens the directory at `path`, counted from the root, to read it.
    ///
    /// Each component is opened beneath the one before and must be a directory itself, so whatever is moved or
    /// replaced meanwhile, the way cannot lead out of the root.
    pub(in crate::seed) fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        if path.is_empty() {
            return openat(&self.handle, ".", DIRECTORY, Mode::empty());
        }
        let (above, name) = split(path);
        let mut here: Option<OwnedFd> = None;
        for component in above.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let from = here.as_ref().unwrap_or(&self.handle).as_fd();
            here = Some(openat(from, component, PASSED, Mode::empty())?);
        }
        openat(
            here.as_ref().unwrap_or(&self.handle),
            name,
            DIRECTORY,
            Mode::empty(),
        )
    }

    /// The path on the host of something beneath the root.
    pub(in crate::seed) fn host_path(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() {
            return self.path.clone();
        }
        self.path.join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }

    /// The error of something beneath the root that cannot be read.
    pub(super) fn read_error(&self, path: &[u8], error: impl Into<io::Error>) -> SeedError {
        SeedError::Read {
            path: self.host_path(path),
            source: error.into(),
        }
    }
}

/// Opens the file `name` of a directory, whatever it is, without following or waiting.
pub(super) fn open_file(directory: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(directory, name, FILE, Mode::empty())
}

/// Splits a path into the directory above and the last component.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Whether an error says that a file is not there, or not what it was.
pub(super) fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

/// Whether an error is about this process or host and not about a file.
pub(super) fn is_about_host(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}
