//! What a patch makes of given files.

mod diagnose;
mod failure;
mod file;
mod place;
mod text;
mod tree;

pub use failure::{Failure, NearLine, PatchFailed, Reason};

use std::collections::BTreeMap;

use crate::mode::Mode;
use crate::patch::{Body, FilePatch, Patch};

/// The farthest from its stated line that a hunk applies, in lines.
const MAX_OFFSET: usize = 1000;

/// The most bytes of all results of one patch: a few lines may ask for many copies of a large file.
const MAX_RESULT_BYTES: usize = 4 * crate::MAX_FILE_BYTES;

/// How many failures are looked into.
const MAX_DIAGNOSES: usize = 50;

/// A file, link or directory as it is before the patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Its type and whether it is executable.
    pub mode: Mode,
    /// Its content, for a link its target, for a directory nothing.
    pub content: Vec<u8>,
}

/// One step of putting a patch in place. Steps of one patch concern different paths, and may be taken in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Write a file or link, in the place of what is there.
    Write {
        /// The path, as the patch writes it.
        path: Vec<u8>,
        /// The type, and whether it is executable.
        mode: Mode,
        /// The content, for a link its target.
        content: Vec<u8>,
        /// The path of the file before the patch whose permissions it keeps. `None` for a new file, and where a mode line
        /// of the patch decides.
        permissions_of: Option<Vec<u8>>,
    },
    /// Delete a file or link.
    Delete {
        /// The path, as the patch writes it.
        path: Vec<u8>,
    },
}

/// What a patch did to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchStatus {
    /// It is new, or a copy.
    Added,
    /// Its content or mode changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It has another path.
    Renamed,
}

/// A part of a patch that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedFile {
    /// The path, as the patch writes it; the new one for a rename.
    pub path: Vec<u8>,
    /// The path that it was renamed or copied from.
    pub old_path: Option<Vec<u8>>,
    /// What happened.
    pub status: PatchStatus,
    /// Where its hunks applied, in the order of the patch.
    pub hunks: Vec<PlacedHunk>,
}

/// A hunk that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedHunk {
    /// Its number in its file, from 1.
    pub hunk: usize,
    /// The line of the file before the patch at which it applied, from 1; for a hunk that only inserts, the line after
    /// which it did.
    pub line: usize,
    /// How many lines that is after the line that it states. Negative if before.
    pub offset: i64,
}

/// A patch that fits, and what is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The steps that make the files before the patch those after it.
    pub operations: Vec<Operation>,
    /// What happened to each file, in the order of the patch. A file that the patch names twice is here twice.
    pub files: Vec<AppliedFile>,
}

/// Computes what a patch makes of files. `state` has what is at each of [`Patch::paths`], and nothing for a path at which
/// there is nothing.
///
/// # Errors
/// [`PatchFailed`] lists everything that does not fit.
pub fn apply(patch: &Patch, state: &BTreeMap<Vec<u8>, FileState>) -> Result<Applied, PatchFailed> {
    let mut tree = tree::Tree::new(patch, state);
    let mut applier = file::Applier::default();
    let mut applied = Applied::default();
    let mut failed = PatchFailed {
        failed: 0,
        total: 0,
        failures: Vec::new(),
    };
    for file in &patch.files {
        let hunks = hunk_count(file);
        failed.total += hunks;
        match applier.apply(file, &mut tree) {
            Ok(file) => applied.files.push(file),
            Err(failures) => {
                let is_whole = failures.iter().any(|failure| failure.hunk.is_none());
                failed.failed += if is_whole { hunks } else { failures.len() };
                failed.failures.extend(failures);
            }
        }
    }
    if failed.failures.is_empty() {
        applied.operations = tree.into_operations();
        Ok(applied)
    } else {
        Err(failed)
    }
}

fn hunk_count(file: &FilePatch) -> usize {
    match &file.body {
        Body::Text(hunks) => hunks.len(),
        Body::Same | Body::Binary(_) => 1,
    }
}
