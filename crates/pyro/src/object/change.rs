//! *Diff* and *patch*.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::WorkspaceId;
use crate::object::{ArtifactType, GuestUse};

/// What differs between a workspace and its baseline.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkspaceDiff {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// What it was compared with.
    pub from_snapshot: String,
    /// Whether anything that is shown differs.
    pub changed: bool,
    /// Whether something is not in the patch because it is too large.
    pub truncated: bool,
    /// Whether secrets were replaced in it.
    pub redacted: bool,
    /// How many entries there are of each kind.
    pub summary: DiffSummary,
    /// What is not shown because Git ignores it.
    pub ignored: IgnoredChanges,
    /// The changed paths.
    pub entries: Vec<DiffEntry>,
    /// The patch in Git's format; bytes that are not UTF-8 are replaced.
    pub patch: String,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// The patch as it is.
    #[serde(skip)]
    pub patch_bytes: Vec<u8>,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

/// How many entries there are of each kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffSummary {
    /// All entries.
    pub total: usize,
    /// New paths.
    pub added: usize,
    /// Files with another content.
    pub modified: usize,
    /// Paths that are gone.
    pub deleted: usize,
    /// Paths that had another name.
    pub renamed: usize,
    /// Paths of another type.
    pub type_changed: usize,
    /// Files that became executable, or ceased to be.
    pub mode_changed: usize,
    /// Entries that the patch has as text.
    pub text_patched: usize,
    /// Entries whose content is binary.
    pub non_text: usize,
}

/// Changes that Git ignores.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IgnoredChanges {
    /// How many paths.
    pub count: u64,
    /// The length of their contents, in bytes.
    pub bytes: u64,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiffStatus {
    /// It is new.
    Added,
    /// Its content differs.
    Modified,
    /// It is gone.
    Deleted,
    /// It had another path.
    Renamed,
    /// It is of another type.
    TypeChanged,
    /// It became executable, or ceased to be.
    ModeChanged,
}

impl DiffStatus {
    /// Its name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Renamed => "renamed",
            Self::TypeChanged => "type_changed",
            Self::ModeChanged => "mode_changed",
        }
    }
}

/// A changed path.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffEntry {
    /// The path, relative to the tree.
    pub path: String,
    /// The path in base64, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// The path that it had, if that was another.
    pub old_path: Option<String>,
    /// What happened.
    pub status: DiffStatus,
    /// What it is, or was.
    pub artifact_type: ArtifactType,
    /// Git's mode before, as in `100644`.
    pub old_mode: Option<Cow<'static, str>>,
    /// Git's mode now.
    pub new_mode: Option<Cow<'static, str>>,
    /// How many lines are new.
    pub insertions: Option<usize>,
    /// How many lines are gone.
    pub deletions: Option<usize>,
    /// Where its text begins in the patch, in bytes.
    pub patch_offset: usize,
    /// The length of its text in the patch, in bytes.
    pub patch_bytes: usize,
    /// Why the patch does not bring this change about, if it does not.
    pub patch_omitted: Option<Cow<'static, str>>,
}

/// A patch that was applied, or would be.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PatchResult {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Whether it changed anything, or would.
    pub changed: bool,
    /// Whether it was only checked.
    pub dry_run: bool,
    /// How many entries there are of each kind.
    pub summary: PatchSummary,
    /// The files of the patch, in its order.
    pub entries: Vec<PatchEntry>,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

/// How many files of a patch there are of each kind.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct PatchSummary {
    /// All files.
    pub total: usize,
    /// New ones.
    pub added: usize,
    /// Changed ones.
    pub modified: usize,
    /// Deleted ones.
    pub deleted: usize,
    /// Ones with another name.
    pub renamed: usize,
}

/// A file of a patch.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PatchEntry {
    /// The path, absolute.
    pub path: String,
    /// What happened.
    pub status: DiffStatus,
    /// Where its hunks applied.
    pub hunks: Vec<PatchHunk>,
}

/// A hunk that applied.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PatchHunk {
    /// Its number in its file, from 1.
    pub hunk: usize,
    /// The line at which it applied.
    pub line: usize,
    /// How many lines that is after the line that it states.
    pub offset: i64,
}
