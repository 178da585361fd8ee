//! Patches as read: unified and Git diffs, as programs and models write them.

mod binary;
mod cursor;
mod hunk;
mod name;
mod parse;
mod problem;

pub(crate) use binary::{BinaryBody, BinaryChange};
pub(crate) use hunk::{Hunk, LineKind};
pub(crate) use name::canonical;
pub use parse::parse;
pub use problem::{PatchInvalid, Problem};

use std::collections::HashSet;

use crate::mode::Mode;

/// A patch that was read, and is well-formed in itself.
#[derive(Debug, Clone)]
pub struct Patch {
    pub(crate) files: Vec<FilePatch>,
}

impl Patch {
    /// Every path whose present state [`crate::apply()`] needs, as the patch writes it: absolute below `/workspace`, or
    /// relative to it. A file that is written in several ways is listed once, in the first of them.
    pub fn paths(&self) -> Vec<&[u8]> {
        let mut seen = HashSet::new();
        let all = self.files.iter().flat_map(FilePatch::paths);
        all.filter(|path| seen.insert(canonical(path))).collect()
    }
}

/// What a patch says about one file.
#[derive(Debug, Clone)]
pub(crate) struct FilePatch {
    pub(crate) action: Action,
    /// Where the file is before, except for a new one.
    pub(crate) old_path: Option<Vec<u8>>,
    /// Where the file is after, except for one that is deleted.
    pub(crate) new_path: Option<Vec<u8>>,
    /// The mode before, where a line tells it.
    pub(crate) old_mode: Option<Mode>,
    /// The mode after, where a line says that it is new.
    pub(crate) new_mode: Option<Mode>,
    pub(crate) body: Body,
}

impl FilePatch {
    fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.old_path.iter().chain(&self.new_path).map(Vec::as_slice)
    }

    /// The path by which it is reported.
    pub(crate) fn path(&self) -> &[u8] {
        self.new_path
            .as_ref()
            .or(self.old_path.as_ref())
            .map_or(&[], Vec::as_slice)
    }
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Modify,
    Create,
    Delete,
    Rename,
    Copy,
}

/// What happens to the content of a file.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Same,
    Text(Vec<Hunk>),
    Binary(BinaryBody),
}
