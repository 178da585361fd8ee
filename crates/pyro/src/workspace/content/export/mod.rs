//! Files brought out of a workspace.

mod changes;
mod plan;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pyro_proto::file::{Export, FileKind};
use pyro_proto::message::Verb;

use super::diff::{DiffRequest, diff_of};
use super::live_tree::LiveTree;
use super::unpack::{Budget, ExportGuard, Output, UnpackError, Unpacked, Unpacking, publish_bytes};
use crate::TreePath;
use crate::error::Result;
use crate::guest::files::ExportCall;
use crate::object::{ArtifactType, GuestUse, WorkspaceExport};
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
    /// Where it may go, if somebody else says where than the owner of the host.
    pub guard: Option<ExportGuard>,
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
            guard: None,
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
        PlannedExport::new(request.clone())?.make(self).await
    }
}

/// An export whose target was found, and that is yet to be made.
#[derive(Debug)]
pub(crate) struct PlannedExport {
    request: ExportRequest,
    output: Output,
}

impl PlannedExport {
    /// Finds the target. Whatever becomes of the path of its directory, that is where it goes.
    ///
    /// # Errors
    /// `output-exists`, `host-io`, `invalid-argument`.
    pub(crate) fn new(request: ExportRequest) -> Result<Self> {
        let output = match &request.guard {
            Some(guard) => Output::open_guarded(&request.output, request.force, guard)?,
            None => Output::open(&request.output, request.force)?,
        };
        Ok(Self { request, output })
    }

    /// What is brought out, absolute in the guest.
    pub(crate) fn path(&self) -> String {
        self.request.path.to_string()
    }

    /// The target, absolute.
    pub(crate) fn target(&self) -> &Path {
        self.output.path()
    }

    /// Brings it out. The target appears whole or not at all; dropping the future leaves what was there before.
    ///
    /// # Errors
    /// As [`Workspace::export`].
    pub(crate) async fn make(self, tree: &impl LiveTree) -> Result<WorkspaceExport> {
        let Self { request, output } = self;
        let (used, unpacked, deleted) = match request.kind {
            ExportKind::Whole => export_whole(tree, &request, output).await?,
            ExportKind::Changes => changes::export(tree, &request, output).await?,
            ExportKind::Patch => export_patch(tree, &request, output).await?,
        };
        Ok(WorkspaceExport {
            workspace_id: tree.id(),
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
            warnings: [used.warnings(), unpacked.warnings].concat(),
            guest: used,
        })
    }
}

/// The guest that something came from, what became of it, and the paths that are gone.
type Exported = (GuestUse, Unpacked, Vec<Vec<u8>>);

async fn export_whole(tree: &impl LiveTree, request: &ExportRequest, output: Output) -> Result<Exported> {
    let path = Bytes::copy_from_slice(request.path.as_bytes());
    let (used, call) = tree.call(Verb::Export).await?;
    let budget = Budget::of_disk(tree.capacity_bytes()?);
    let mut call = ExportCall::start(call, Export { path }).await?;
    let mut unpacking = Unpacking::start(output, budget);
    let about = |error: UnpackError| error.about(&request.path);
    match pass_on(&mut call, &mut unpacking, about).await {
        Ok(()) => Ok((used, unpacking.finish().await.map_err(about)?, Vec::new())),
        Err(error) => {
            unpacking.abandon().await;
            Err(error)
        }
    }
}

/// All that changed, as one file.
async fn export_patch(tree: &impl LiveTree, request: &ExportRequest, output: Output) -> Result<Exported> {
    let wanted = DiffRequest {
        path: request.path.clone(),
        binary: true,
        ..DiffRequest::default()
    };
    let diff = diff_of(tree, &wanted).await?;
    let mut unpacked = publish(output, diff.patch_bytes, ArtifactType::Patch).await?;
    let said = diff.guest.warnings();
    let of_files = diff
        .warnings
        .into_iter()
        .filter(|warning| !said.contains(warning));
    unpacked.warnings.extend(of_files);
    if diff.truncated {
        unpacked
            .warnings
            .push("files of more than 64 MiB are not in the patch".to_owned());
    }
    Ok((diff.guest, unpacked, Vec::new()))
}

/// Has everything that the guest sends unpacked.
async fn pass_on(
    call: &mut ExportCall,
    unpacking: &mut Unpacking,
    about: impl Fn(UnpackError) -> UnpackError,
) -> Result<()> {
    while let Some(entry) = call.next_entry().await? {
        let is_file = entry.kind == i32::from(FileKind::File);
        unpacking.entry(entry).await.map_err(&about)?;
        while is_file && let Some(data) = call.next_data().await? {
            unpacking.data(data).await.map_err(&about)?;
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
