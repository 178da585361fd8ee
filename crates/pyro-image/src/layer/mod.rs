//! One layer of an image: a tar stream, plain or compressed, read entry by entry.
//!
//! The archive framing is read here and not by the `tar` crate's own iterator, which has no bound on the size of
//! extended headers and splits them at line feeds, so that a binary attribute with the byte `0x0a` is lost. That
//! crate still decodes the fixed 512-byte header.

mod content;
mod entry;
mod header;
mod monitor;
mod number;
mod pax;
mod reader;
mod sparse;
mod stream;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use entry::Timestamp;
pub(crate) use entry::{DeviceKind, DeviceNumber, Entry, EntryKind, Metadata, RawXattr};
pub(crate) use monitor::Monitor;
pub(crate) use reader::LayerReader;
pub use stream::Compression;
pub(crate) use stream::{Hashing, hexadecimal};

/// Why a layer cannot be read as a tar archive.
///
/// Offsets count bytes of the uncompressed archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The blob cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The blob file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The blob is not what its first bytes promise, or continues with something else after its end.
    #[error("cannot decompress `{}` as {compression}", path.display())]
    Decompress {
        /// The blob file.
        path: PathBuf,
        /// The format its first bytes name.
        compression: Compression,
        /// What the decoder said.
        source: io::Error,
    },
    /// The archive stops in the middle of an entry, or without an end marker and without a digest that vouches
    /// for its end.
    #[error("the archive ends early, at byte {offset}")]
    Truncated {
        /// Where the archive stops.
        offset: u64,
    },
    /// The layers expand to more than the caller allows.
    #[error("the layers expand to more than {limit} bytes")]
    TooLarge {
        /// The limit over all layers, in bytes.
        limit: u64,
    },
    /// The uncompressed archive is not the one that the image's configuration names.
    #[error("the uncompressed archive has digest `{actual}`, not `{expected}`")]
    DiffId {
        /// The digest named by the configuration.
        expected: String,
        /// The digest of the bytes.
        actual: String,
    },
    /// A header's checksum does not match its bytes.
    #[error("the block at byte {offset} is not a tar header")]
    Header {
        /// Where the header starts.
        offset: u64,
    },
    /// A field of a header is not a number, or one that no file can have.
    #[error("entry `{name}` has a {field} that is no valid number")]
    Number {
        /// The entry, as far as it can be shown.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// An entry is of a kind that no file of a root file system has.
    #[error("entry `{name}` has the unknown type {flag:#04x}")]
    Kind {
        /// The entry, as far as it can be shown.
        name: String,
        /// The type flag of the header.
        flag: u8,
    },
    /// The list of extents of a sparse file contradicts its sizes, or is in a format not read here.
    #[error("entry `{name}` has an invalid map of a sparse file")]
    Sparse {
        /// The entry, as far as it can be shown.
        name: String,
    },
    /// A record of an extended header is malformed.
    #[error("the extended header at byte {offset} is malformed")]
    Extended {
        /// Where the extended header starts.
        offset: u64,
    },
    /// An extended header is larger than any valid one.
    #[error("the extended header at byte {offset} has {length} bytes, more than {limit}")]
    ExtendedTooLong {
        /// Where the extended header starts.
        offset: u64,
        /// Its claimed length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Two extended headers of one kind describe one entry, or one describes none.
    #[error("the extended header at byte {offset} does not belong to exactly one entry")]
    ExtendedOrphan {
        /// Where the extended header starts.
        offset: u64,
    },
    /// The caller asked to stop.
    #[error("the work was cancelled")]
    Cancelled,
}
