//! Files brought out of a workspace.

mod changes;
mod plan;

use std::path::PathBuf;

use bytes::Bytes;
use pyro_proto::file::{Export, FileKind};
use pyro_proto::message::Verb;

use super::diff::DiffRequest;
use super::unpack::{Budget, Output, UnpackError, Unpacked, Unpacking, publish_bytes};
use crate::TreePath;
use crate::error::Result;
use crate::guest::files::ExportCall;
use crate::object::{ArtifactType, WorkspaceExport};
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
    /// Brings a file, a directory or a link out of the workspace. The target appears whole or not at all; dropping the
    /// future leaves what was there before.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `output-exists`, `host-io`, `path-not-found`, `path-refused`, `wrong-file-type`, `insufficient-resources`,
    /// `invalid-state`, `guest-lost`.
    pub async fn export(&self, request: &ExportRequest) -> Result<WorkspaceExport> {
        let output = Output::open(&request.output, request.force)?;
        let guest = self.guest().await?;
        let (unpacked, deleted) = match request.kind {
            ExportKind::Whole => (self.export_whole(request, output).await?, Vec::new()),
            ExportKind::Changes => self.export_changes(request, output).await?,
            ExportKind::Patch => (self.export_patch(request, output).await?, Vec::new()),
        };
        Ok(WorkspaceExport {
            workspace_id: self.id(),
            workspace_path: request.path.to_string(),
            output_path: unpacked.path,
            artifact_type: unpacked.artifact_type,
            entry_count: unpacked.entry_count,
            bytes_written: unpacked.bytes_written,
            deleted_paths: deleted
                .iter()
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect(),
            skipped: unpacked.skipped,
            guest: guest.used,
            warnings: unpacked.warnings,
        })
    }

    async fn export_whole(&self, request: &ExportRequest, output: Output) -> Result<Unpacked> {
        let path = Bytes::copy_from_slice(request.path.as_bytes());
        let budget = self.export_budget()?;
        let call = self.open_guest(Verb::Export).await?;
        let mut call = ExportCall::start(call, Export { path }).await?;
        let mut unpacking = Unpacking::start(output, budget);
        match pass_on(&mut call, &mut unpacking).await {
            Ok(()) => Ok(unpacking.finish().await?),
            Err(error) => {
                unpacking.abandon().await;
                Err(error)
            }
        }
    }

    /// All that changed, as one file.
    async fn export_patch(&self, request: &ExportRequest, output: Output) -> Result<Unpacked> {
        let wanted = DiffRequest {
            path: request.path.clone(),
            binary: true,
            ..DiffRequest::default()
        };
        let diff = self.diff(&wanted).await?;
        let mut unpacked = publish(output, diff.patch_bytes, ArtifactType::Patch).await?;
        unpacked.warnings.extend(diff.warnings);
        if diff.truncated {
            unpacked
                .warnings
                .push("files of more than 64 MiB are not in the patch".to_owned());
        }
        Ok(unpacked)
    }

    /// What a guest may send: what its disk holds, and the seed, which is not on that.
    pub(super) fn export_budget(&self) -> Result<Budget> {
        let info = self.status()?;
        let seed = info.workspace_seed.bytes_written;
        Ok(Budget::of_disk(
            (u64::from(info.disk_gib) << 30).saturating_add(seed),
        ))
    }
}

/// Has everything that the guest sends unpacked.
async fn pass_on(call: &mut ExportCall, unpacking: &mut Unpacking) -> Result<()> {
    while let Some(entry) = call.next_entry().await? {
        let is_file = entry.kind == i32::from(FileKind::File);
        unpacking.entry(entry).await?;
        while is_file && let Some(data) = call.next_data().await? {
            unpacking.data(data).await?;
        }
    }
    Ok(())
}

/// Writes bytes as the target, whole or not at all.
async fn publish(output: Output, bytes: Vec<u8>, artifact_type: ArtifactType) -> Result<Unpacked> {
    let work = tokio::task::spawn_blocking(move || publish_bytes(output, &bytes));
    let mut unpacked = work.await.unwrap_or(Err(UnpackError::Cancelled))?;
    unpacked.artifact_type = artifact_type;
    Ok(unpacked)
}
