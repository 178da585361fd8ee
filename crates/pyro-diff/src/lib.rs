//! Git-format diffs out, model-written patches in.
//!
//! Both directions are pure functions over bytes: [`diff()`] compares two states of a tree whose contents the caller
//! reads for it; [`parse`] reads a patch, and [`apply()`] computes what it makes of given files. Nothing here touches a file
//! system.
//!
//! File contents come from hostile guests and patches from models, so every input is bounded: no input makes this crate
//! panic, recurse without bound, or take time and memory out of proportion to its size.
#![forbid(unsafe_code)]

mod apply;
mod base85;
mod blob;
mod delta;
mod diff;
mod line;
mod mode;
mod patch;
mod quote;

pub use apply::{
    Applied, AppliedFile, Failure, FileState, NearLine, Operation, PatchFailed, PatchStatus, PlacedHunk,
    Reason, apply,
};
pub use diff::{
    Change, Contents, Diff, DiffError, DiffOptions, Entry, Node, Omitted, Side, Status, Summary, diff,
};
pub use mode::Mode;
pub use patch::{Patch, PatchInvalid, Problem, parse};

/// The largest patch that is read, in bytes.
pub const MAX_PATCH_BYTES: usize = 8 << 20;

/// The largest file that a patch may make, and by default the largest that is compared, in bytes.
pub const MAX_FILE_BYTES: usize = 64 << 20;
