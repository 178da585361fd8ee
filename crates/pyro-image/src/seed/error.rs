//! Why a seed is refused, or cannot be read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::erofs::ImageFileError;
use crate::kind::ImageErrorKind;
use crate::layer::LayerError;
use crate::tree::NameError;

/// Why nothing came of a seed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeedError {
    /// A file of the host cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The source is neither a directory nor a regular file.
    #[error("`{}` is neither a directory nor an archive", path.display())]
    Source {
        /// The source.
        path: PathBuf,
    },
    /// The archive, or a member of it, cannot be accepted.
    #[error("{} is refused", subject(member.as_deref(), archive))]
    ArchiveInvalid {
        /// The archive.
        archive: PathBuf,
        /// The member at fault, as far as it can be shown; `None` when it is the archive as such.
        member: Option<String>,
        /// What is wrong.
        source: ArchiveFault,
    },
    /// There are more entries than the caller allows, those left out for their kind included.
    #[error("the seed has more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// The files hold more than the caller allows.
    #[error("the files of the seed hold more than {limit} bytes")]
    TooManyBytes {
        /// The limit in bytes.
        limit: u64,
    },
    /// Names and link targets are longer than the caller allows.
    #[error("names and link targets of the seed take more than {limit} bytes")]
    TooMuchMetadata {
        /// The limit in bytes.
        limit: u64,
    },
    /// A file became shorter, went away, or took another form after it was planned. The same again may succeed.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The image file cannot be written.
    #[error(transparent)]
    Image(#[from] ImageFileError),
    /// The caller asked to stop.
    #[error("reading the seed was cancelled")]
    Cancelled,
}

/// What is wrong with an archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// It cannot be read as tar, or a member states what no file has.
    #[error(transparent)]
    Format(#[from] LayerError),
    /// The name begins at the root of a file system.
    #[error("its name is absolute")]
    AbsoluteName,
    /// The name is not one a file below the root can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The member stands for the root, which is a directory and nothing else.
    #[error("the root can only be a directory")]
    RootKind,
    /// A symbolic link is on the way to the member.
    #[error("`{parent}` on the way to it is a link")]
    LinkAsParent {
        /// The path of the link.
        parent: String,
    },
    /// Something other than a directory is on the way to the member.
    #[error("`{parent}` on the way to it is not a directory")]
    FileAsParent {
        /// The path of the file.
        parent: String,
    },
    /// The member would replace a directory.
    #[error("it takes the place of a directory")]
    ReplacesDirectory,
    /// The target of a symbolic link is empty, too long, or holds a zero byte.
    #[error("its link target of {length} bytes is none a link can have")]
    SymlinkTarget {
        /// The length of the target in bytes.
        length: usize,
    },
    /// A hard link does not name an earlier member that is no directory.
    #[error("its link target `{target}` is no earlier member that can have a second name")]
    HardLinkTarget {
        /// The target.
        target: String,
    },
}

impl SeedError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => ImageErrorKind::NotFound,
            Self::Read { .. } | Self::Changed { .. } | Self::Image(_) => ImageErrorKind::HostIo,
            Self::Source { .. }
            | Self::TooManyEntries { .. }
            | Self::TooManyBytes { .. }
            | Self::TooMuchMetadata { .. } => ImageErrorKind::InvalidArgument,
            Self::ArchiveInvalid { .. } => ImageErrorKind::Invalid,
            Self::Cancelled => ImageErrorKind::Cancelled,
        }
    }
}

fn subject(member: Option<&str>, archive: &std::path::Path) -> String {
    let archive = archive.display();
    match member {
        Some(member) => format!("entry `{member}` of `{archive}`"),
        None => format!("archive `{archive}`"),
    }
}
