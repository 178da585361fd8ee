//! Seeds: what becomes the `/workspace` of a workspace, from a host directory or a tar.
//!
//! A seed is read twice. [`SeedPlan::new`] reads names, sizes and times, judges them, and holds the tree in memory, so
//! a seed that is too large or hostile is refused before anything is written. A [`SeedReader`] then delivers the
//! entries with their contents, each content once and never held; [`build_seed_image`] writes them to a read-only
//! EROFS image. Nothing is unpacked, no privilege is needed, and equal seeds make equal bytes.
//!
//! Names, modes with set-id and sticky bits, modification times in nanoseconds, symbolic links verbatim, hard links
//! and empty directories are kept. Owners are not: a seed belongs to whoever uses it. Extended attributes are not
//! either, neither those of host files nor those in archives: labels and capabilities of the host mean nothing in a
//! guest. Holes of sparse files are filled with zeros.
//!
//! A host directory is read without following symbolic links, through handles of its directories; mount points in it
//! are followed. In a Git work tree what Git ignores is left out, see [`SeedOptions`].

mod archive;
mod budget;
mod directory;
mod draft;
mod entry;
mod error;
mod git;
mod ignores;
mod image;
mod names;
mod plan;
mod reader;
mod warning;

pub use crate::layer::{Compression, LayerError, Timestamp};
pub use crate::tree::NameError;
pub use budget::SeedLimits;
pub use entry::{SeedEntry, SeedKind, SeedSkipped, SkipReason};
pub use error::{ArchiveFault, SeedError};
pub use git::{RemoteRules, RemoteVerdict};
pub use ignores::SeedIgnores;
pub use image::{SeedImage, SeedOwner, build_seed_image, write_empty_seed_image, write_seed_image};
pub use plan::{SeedMode, SeedOptions, SeedPlan, SeedProgress, SeedSummary};
pub use reader::SeedReader;
