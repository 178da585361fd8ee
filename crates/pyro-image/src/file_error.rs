//! Failures of the host's file system, with the path and what was attempted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::kind::ImageErrorKind;

/// Reports that the host's file system refused an operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    /// What was attempted.
    pub action: FileAction,
    /// The file or directory concerned.
    pub path: PathBuf,
    /// What the operating system answered.
    pub source: io::Error,
}

impl FileError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        ImageErrorKind::HostIo
    }

    /// Returns true if the host had no room: disk, quota or file size limit.
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}

/// Names an operation on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAction {
    /// Making a directory or file.
    Create,
    /// Opening a directory or file.
    Open,
    /// Reading content or metadata.
    Read,
    /// Writing content.
    Write,
    /// Taking the lock of a file.
    Lock,
    /// Setting the mode of a file.
    Protect,
    /// Making a finished file visible.
    Publish,
    /// Deleting a file.
    Remove,
}

impl fmt::Display for FileAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Lock => "lock",
            Self::Protect => "set the mode of",
            Self::Publish => "publish",
            Self::Remove => "remove",
        })
    }
}

/// Adds the path and the operation to an error of the operating system.
pub(crate) trait IoContext<T> {
    /// Turns the error into one that names `action` and `path`.
    fn at(self, action: FileAction, path: &Path) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> IoContext<T> for Result<T, E> {
    fn at(self, action: FileAction, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            action,
            path: path.to_path_buf(),
            source: source.into(),
        })
    }
}
