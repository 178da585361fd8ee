//! *Sync*, *export* and the seed of a workspace.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::id::WorkspaceId;
use crate::object::{ArtifactType, GuestUse};

/// Where what is brought in comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeedMode {
    /// From nowhere.
    Empty,
    /// A directory of the host.
    Directory,
    /// A tar archive, plain or compressed.
    TarArchive,
    /// A file of the host, as it is.
    File,
    /// A symbolic link of the host, as it is.
    Symlink,
}

/// How a source was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OriginKind {
    /// There is none.
    None,
    /// By its path.
    Path,
    /// As the project that an MCP server works on.
    Project,
    /// As a repository that was cloned.
    Repo,
}

/// What a workspace began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkspaceSeed {
    /// Where it came from.
    pub mode: SeedMode,
    /// The directory or archive on the host; none for a clone, which does not stay there.
    pub seed_path: Option<PathBuf>,
    /// Where it is in the guest.
    pub destination: String,
    /// How the source was chosen.
    pub origin_kind: OriginKind,
    /// The commit of a repository.
    pub origin_ref: Option<String>,
    /// How many names it has.
    pub entry_count: u64,
    /// The length of all contents, in bytes.
    pub bytes_written: u64,
    /// How many files were left out because Git ignores them.
    pub ignored_count: u64,
    /// What was left out for other reasons.
    pub skipped: Vec<SkippedFile>,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkippedFile {
    /// Its path, relative to the source.
    pub path: String,
    /// Why, in one word such as `fifo`.
    pub reason: String,
}

impl SkippedFile {
    /// A file that was left out.
    pub(crate) fn new(path: &[u8], reason: &(impl ToString + ?Sized)) -> Self {
        Self {
            path: String::from_utf8_lossy(path).into_owned(),
            reason: reason.to_string(),
        }
    }
}

/// What was brought into a workspace.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceSync {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// What was brought in.
    pub workspace_sync: SyncReport,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

/// What was brought in.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// Where it came from.
    pub mode: SeedMode,
    /// The directory or archive on the host.
    pub source_path: PathBuf,
    /// Where it is in the guest.
    pub destination: String,
    /// How many names were put in place.
    pub entry_count: u64,
    /// The length of their contents, in bytes.
    pub bytes_written: u64,
    /// How many files were removed because the source lacks them.
    pub deleted_count: u64,
    /// How many files were left out because Git ignores them.
    pub ignored_count: u64,
    /// What was left out for other reasons.
    pub skipped: Vec<SkippedFile>,
    /// What a dry run would remove, at most the first thousand.
    pub deleted_paths: Vec<String>,
}

/// What was brought out of a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkspaceExport {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// What was exported, absolute in the guest.
    pub workspace_path: String,
    /// Where it is on the host, absolute.
    pub output_path: PathBuf,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// How many names were written.
    pub entry_count: u64,
    /// The length of their contents, in bytes.
    pub bytes_written: u64,
    /// With changes only: what is gone, relative to what was exported.
    pub deleted_paths: Vec<String>,
    /// What was left out.
    pub skipped: Vec<SkippedFile>,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}
