//! Writing an EROFS image (Linux: `Documentation/filesystems/erofs.rst`, `fs/erofs/erofs_fs.h`).
//!
//! Data is stored uncompressed, so that reading costs a copy and nothing else. The image has two areas, each written
//! from front to back, so nothing of a file's content is ever held:
//!
//! ```text
//! block 0                          data_block                              blocks
//! | 1024 | superblock | inodes ... | directories, then files in the order ... |
//!                       each with    of the layers, without what fits behind
//!                       attributes   their inodes
//!                       and tail
//! ```

mod area;
mod checksum;
mod directory;
mod disk;
mod layout;
mod writer;
mod xattr;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub(crate) use layout::Layout;
pub(crate) use writer::ImageWriter;

/// Why an image file cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageFileError {
    /// The image file cannot be created.
    #[error("cannot create image file `{}`", path.display())]
    Create {
        /// The image file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The image file cannot be written.
    #[error("cannot write image file `{}`", path.display())]
    Write {
        /// The image file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The image file cannot be read back.
    #[error("cannot read image file `{}` back", path.display())]
    Read {
        /// The image file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tree needs more blocks than EROFS can count, which is 16 TiB.
    #[error("the file system is too large for its format")]
    TooLarge,
    /// A layer delivered another length for a file on its second reading.
    #[error("a layer changed while it was read: a file of {expected} bytes had another length")]
    LayerChanged {
        /// The length on the first reading, in bytes.
        expected: u64,
    },
}
