//! Why a blob is not in the store.

use crate::digest::Digest;
use crate::file_error::FileError;
use crate::kind::ImageErrorKind;

/// Reports that a blob could not be stored or is not what it claims to be.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The host's file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content has another digest than announced.
    #[error("blob {expected} has the digest {found}")]
    DigestMismatch {
        /// The digest announced.
        expected: Digest,
        /// The digest of the content.
        found: Digest,
    },
    /// There is more content than announced.
    #[error("the content is longer than the {announced} bytes announced")]
    TooLong {
        /// The size announced, in bytes.
        announced: u64,
    },
    /// There is less content than announced.
    #[error("blob {digest} has {found} bytes, {announced} were announced")]
    TooShort {
        /// The blob.
        digest: Digest,
        /// The size announced, in bytes.
        announced: u64,
        /// The size found, in bytes.
        found: u64,
    },
    /// Nobody waits for the blob any more.
    #[error("storing the blob was given up")]
    Cancelled,
}

impl BlobError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::DigestMismatch { .. } | Self::TooLong { .. } | Self::TooShort { .. } => {
                ImageErrorKind::DigestMismatch
            }
            Self::Cancelled => ImageErrorKind::Cancelled,
        }
    }

    /// Returns true if the host had no room for the blob.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
    }
}
