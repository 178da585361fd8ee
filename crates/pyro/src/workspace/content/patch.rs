//! Patches applied.

use crate::error::Result;
use crate::object::PatchResult;
use crate::workspace::Workspace;

impl Workspace {
    /// Applies a unified or Git diff, all of it or nothing; it is durable when this returns. A dry run only checks.
    ///
    /// # Errors
    /// `patch-invalid`, `patch-failed` with every hunk that does not fit, `too-large`, `path-refused`,
    /// `insufficient-resources`, `invalid-state`, `guest-lost`.
    pub async fn apply_patch(&self, patch: &[u8], dry_run: bool) -> Result<PatchResult> {
        todo!("{patch:?} {dry_run}")
    }
}
