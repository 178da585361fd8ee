//! Files brought into a workspace.

mod copy;
mod delete;
mod deletion;
mod found;
mod put;
mod source;

use std::path::PathBuf;

use bytes::Bytes;
use pyro_image::seed::SeedOptions;

pub use self::copy::CopyRequest;
use self::deletion::Deletion;
use self::source::Source;
use crate::TreePath;
use crate::error::Result;
use crate::object::{SeedMode, SkippedFile, SyncReport, WorkspaceSync};
use crate::workspace::Workspace;
use crate::workspace::error::io_error;

/// The most paths that a dry run names.
const MAX_DELETED_PATHS: usize = 1000;

/// What to bring in, and where to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PushRequest {
    /// The directory or tar archive on the host.
    pub source: PathBuf,
    /// The directory in the workspace. It is made if it is missing; one that is there keeps its own mode and time.
    pub dest: TreePath,
    /// Whether to remove what the source lacks. What Git ignores by the rules of the source stays, unless that is taken
    /// along; so does a `.git` that the source does not have.
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
    /// it is durable when this returns. A dry run reads no contents and only looks at what is there.
    ///
    /// Must be called within a tokio runtime. Dropping the future changes nothing, unless everything was sent.
    ///
    /// # Errors
    /// `archive-invalid`, `too-large`, `host-io`, `path-refused`, `insufficient-resources`, `invalid-state`,
    /// `guest-lost`.
    pub async fn push(&self, request: &PushRequest, progress: OnTransfer<'_>) -> Result<WorkspaceSync> {
        let mut options = SeedOptions {
            include_ignored: request.include_ignored,
            excludes_file: self.settings().git_excludes_file.clone(),
            ..SeedOptions::default()
        };
        options.limits.content_bytes = u64::from(self.status()?.disk_gib) << 30;
        let path = std::path::absolute(&request.source);
        let path = path.map_err(io_error("find", &request.source))?;
        let source = Source::open(path.clone(), options, progress).await?;
        let guest = self.guest().await?;
        let is_new = self.lacks(&request.dest).await?;
        let deletion = if request.delete && !is_new {
            self.deletion(&request.dest, &source, true).await?
        } else {
            Deletion::default()
        };
        let mut report = report(request, path, &source, &deletion);
        let mut warnings = source.plan.summary().warnings.clone();
        if !request.dry_run {
            warnings.extend(
                self.put_source(
                    &request.dest,
                    &source,
                    is_new.then(Bytes::new),
                    &deletion,
                    progress,
                )
                .await?,
            );
            report.deleted_paths.clear();
        }
        Ok(WorkspaceSync {
            workspace_id: self.id(),
            dry_run: request.dry_run,
            workspace_sync: report,
            warnings: [guest.used.warnings(), warnings].concat(),
            guest: guest.used,
        })
    }
}

/// What is brought in, and in a dry run what is removed.
fn report(request: &PushRequest, path: PathBuf, source: &Source, deletion: &Deletion) -> SyncReport {
    let summary = source.plan.summary();
    let deleted = deletion.paths.iter().take(MAX_DELETED_PATHS);
    SyncReport {
        mode: match source.plan.mode() {
            pyro_image::seed::SeedMode::Directory => SeedMode::Directory,
            pyro_image::seed::SeedMode::TarArchive => SeedMode::TarArchive,
        },
        source_path: path,
        destination: request.dest.to_string(),
        entry_count: summary.entry_count,
        bytes_written: summary.content_bytes,
        deleted_count: deletion.count,
        ignored_count: summary.ignored_count,
        skipped: summary
            .skipped
            .iter()
            .map(|skipped| SkippedFile::new(&skipped.path, &skipped.reason))
            .collect(),
        deleted_paths: deleted
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect(),
    }
}
