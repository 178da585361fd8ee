//! What differs from the baseline.

use crate::TreePath;
use crate::error::Result;
use crate::object::WorkspaceDiff;
use crate::workspace::Workspace;

/// How to show what differs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DiffRequest {
    /// Only at or below this path.
    pub path: TreePath,
    /// Whether to leave out the patch.
    pub stat: bool,
    /// Whether binary files are in the patch.
    pub binary: bool,
    /// Whether to show what Git ignores, and `.git`.
    pub include_ignored: bool,
    /// The most text per file, in characters; files with more are left out whole.
    pub file_characters: Option<usize>,
    /// The most text in all, in characters.
    pub total_characters: Option<usize>,
}

impl Workspace {
    /// Compares the tree with the baseline, at the cost of what changed.
    ///
    /// # Errors
    /// `invalid-state`, `guest-lost`.
    pub async fn diff(&self, request: &DiffRequest) -> Result<WorkspaceDiff> {
        todo!("{request:?}")
    }
}
