//! Files brought into a workspace.

use std::path::PathBuf;

use crate::TreePath;
use crate::error::Result;
use crate::object::WorkspaceSync;
use crate::workspace::Workspace;

/// What to bring in, and where to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PushRequest {
    /// The directory or tar archive on the host.
    pub source: PathBuf,
    /// The directory in the workspace.
    pub dest: TreePath,
    /// Whether to remove what the source lacks.
    pub delete: bool,
    /// Whether to change nothing.
    pub dry_run: bool,
    /// Whether to take along what Git ignores.
    pub include_ignored: bool,
}

impl PushRequest {
    /// All that Git does not ignore of a source, into the tree.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            dest: TreePath::root(),
            delete: false,
            dry_run: false,
            include_ignored: false,
        }
    }
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferProgress {
    /// The source is being looked through.
    Found {
        /// Names found so far.
        entries: u64,
        /// The length of their contents, in bytes.
        bytes: u64,
    },
    /// Contents are under way.
    Moved {
        /// Bytes so far.
        bytes_done: u64,
        /// All bytes.
        bytes_total: u64,
    },
}

/// Hears how far a transfer is.
pub type OnTransfer<'a> = &'a (dyn Fn(TransferProgress) + Send + Sync);

impl Workspace {
    /// Brings a directory or an archive into the workspace. Interrupted at any moment, the tree is as before or as after;
    /// it is durable when this returns.
    ///
    /// # Errors
    /// `archive-invalid`, `too-large`, `host-io`, `path-refused`, `insufficient-resources`, `invalid-state`,
    /// `guest-lost`.
    pub async fn push(&self, request: &PushRequest, progress: OnTransfer<'_>) -> Result<WorkspaceSync> {
        progress(TransferProgress::Found { entries: 0, bytes: 0 });
        todo!("{request:?}")
    }
}
