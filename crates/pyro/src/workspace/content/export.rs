//! Files brought out of a workspace.

use std::path::PathBuf;

use crate::TreePath;
use crate::error::Result;
use crate::object::WorkspaceExport;
use crate::workspace::Workspace;

/// What to bring out, and where to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportRequest {
    /// The file, directory or link.
    pub path: TreePath,
    /// What of it.
    pub kind: ExportKind,
    /// The target on the host, which is not there unless `force`.
    pub output: PathBuf,
    /// Whether to replace the target, in one step.
    pub force: bool,
}

/// What of a path is exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportKind {
    /// All of it.
    #[default]
    Whole,
    /// What differs from the baseline.
    Changes,
    /// What differs from the baseline, as one patch.
    Patch,
}

impl ExportRequest {
    /// All of a path, to a target that is not there.
    pub fn new(path: TreePath, output: impl Into<PathBuf>) -> Self {
        Self {
            path,
            kind: ExportKind::Whole,
            output: output.into(),
            force: false,
        }
    }
}

impl Workspace {
    /// Brings a file, a directory or a link out of the workspace. The target appears whole or not at all.
    ///
    /// # Errors
    /// `output-exists`, `host-io`, `path-not-found`, `path-refused`, `wrong-file-type`, `invalid-state`, `guest-lost`.
    pub async fn export(&self, request: &ExportRequest) -> Result<WorkspaceExport> {
        todo!("{request:?}")
    }
}
