//! Why a file is not imported.

use std::io;
use std::path::PathBuf;

use crate::blob::BlobError;
use crate::digest::Digest;
use crate::file_error::{FileAction, FileError};
use crate::kind::ImageErrorKind;
use crate::manifest::ManifestError;

/// Reports that an image could not be imported. Entries are named as in the archive.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The host's file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A layer could not be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A manifest or configuration cannot be used.
    #[error("`{}` cannot be used", path.display())]
    Manifest {
        /// The archive or layout.
        path: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// The archive cannot be read: not a tar, cut off, or badly compressed.
    #[error("`{}` is not a readable tar", path.display())]
    Unreadable {
        /// The archive.
        path: PathBuf,
        /// Where the reader gave up.
        source: io::Error,
    },
    /// The archive has no entries.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The archive.
        path: PathBuf,
    },
    /// The archive has more entries than is allowed.
    #[error("`{}` has more than {limit} entries", path.display())]
    TooManyEntries {
        /// The archive.
        path: PathBuf,
        /// How many it may have.
        limit: usize,
    },
    /// The name of an entry would lead out of the archive.
    #[error("entry `{entry}` of `{}` leaves the archive root", path.display())]
    Escape {
        /// The archive.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// An entry that is needed is not there.
    #[error("entry `{entry}` of `{}` is missing", path.display())]
    Missing {
        /// The archive or layout.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// An entry is a link, directory or device where a plain file is needed.
    #[error("entry `{entry}` of `{}` is not a plain file", path.display())]
    NotAFile {
        /// The archive or layout.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// An entry is larger than is allowed.
    #[error("entry `{entry}` of `{}` has {size} bytes, limit {limit}", path.display())]
    TooLarge {
        /// The archive or layout.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// Its size in bytes.
        size: u64,
        /// The largest allowed size in bytes.
        limit: u64,
    },
    /// An entry is not JSON of the expected form.
    #[error("entry `{entry}` of `{}` is not readable", path.display())]
    Json {
        /// The archive or layout.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// Where the reader gave up.
        source: serde_json::Error,
    },
    /// An entry has another digest than the archive claims.
    #[error("entry `{entry}` of `{}` has the digest {found}, not {expected}", path.display())]
    DigestMismatch {
        /// The archive or layout.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// The digest claimed.
        expected: Digest,
        /// The digest of the content.
        found: Digest,
    },
    /// The layout is of another version than 1.
    #[error("`{}` is an OCI layout of version `{version}`, only 1 is known", path.display())]
    LayoutVersion {
        /// The layout.
        path: PathBuf,
        /// The version found.
        version: String,
    },
    /// There are several images and none was chosen.
    #[error("`{}` has several images: {}", path.display(), names.join(", "))]
    SeveralImages {
        /// The archive or layout.
        path: PathBuf,
        /// What they are called.
        names: Vec<String>,
    },
    /// There is no image of that name.
    #[error("`{}` has no image `{wanted}`, only: {}", path.display(), names.join(", "))]
    NoSuchImage {
        /// The layout.
        path: PathBuf,
        /// The tag or digest asked for.
        wanted: String,
        /// What there is.
        names: Vec<String>,
    },
    /// Nobody waits for the outcome any more.
    #[error("the import was given up")]
    Cancelled,
}

impl ImportError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::File(FileError {
                action: FileAction::Open,
                source,
                ..
            }) if source.kind() == io::ErrorKind::NotFound => ImageErrorKind::NotFound,
            Self::File(error) => error.kind(),
            Self::Blob(error) => error.kind(),
            Self::Manifest { source, .. } => source.kind(),
            Self::Unreadable { .. }
            | Self::Empty { .. }
            | Self::TooManyEntries { .. }
            | Self::Escape { .. }
            | Self::Missing { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::Json { .. } => ImageErrorKind::Invalid,
            Self::DigestMismatch { .. } => ImageErrorKind::DigestMismatch,
            Self::LayoutVersion { .. } => ImageErrorKind::Unsupported,
            Self::SeveralImages { .. } => ImageErrorKind::InvalidArgument,
            Self::NoSuchImage { .. } => ImageErrorKind::NotFound,
            Self::Cancelled => ImageErrorKind::Cancelled,
        }
    }
}
