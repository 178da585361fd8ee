//! What goes into workspaces and comes out of them, as a whole or as a patch.

use pyro::object::{PatchResult, WorkspaceDiff, WorkspaceExport, WorkspaceSync};
use pyro::{DiffRequest, Error, ExportKind, ExportRequest, PushRequest, TreePath};
use serde::Deserialize;

use super::{Request, only_baseline, workspace_of};
use crate::context::Context;
use crate::failure::CallError;
use crate::patch_text;
use crate::request::HostText;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    workspace_id: String,
    source_path: HostText,
    dest: String,
    delete: bool,
    dry_run: bool,
    include_ignored: bool,
}

impl Request for Push {
    type Output = WorkspaceSync;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut push = PushRequest::new(self.source_path.into_path());
        push.dest = TreePath::parse_given(&self.dest)?;
        push.delete = self.delete;
        push.dry_run = self.dry_run;
        push.include_ignored = self.include_ignored;
        let progress = context.teller.on_transfer();
        workspace_of(&context.pyro, &self.workspace_id)?
            .push(&push, &progress)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    workspace_id: String,
    path: String,
    output_path: HostText,
    changes: bool,
    as_patch: bool,
    force: bool,
    from_snapshot: String,
}

impl Request for Export {
    type Output = WorkspaceExport;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        only_baseline(&self.from_snapshot)?;
        let path = TreePath::parse_given(&self.path)?;
        let mut export = ExportRequest::new(path, self.output_path.into_path());
        export.kind = match (self.changes, self.as_patch) {
            (true, true) => {
                return Err(CallError::argument("as_patch", "cannot be given with `changes`").into());
            }
            (true, false) => ExportKind::Changes,
            (false, true) => ExportKind::Patch,
            (false, false) => ExportKind::Whole,
        };
        export.force = self.force;
        workspace_of(&context.pyro, &self.workspace_id)?
            .export(&export)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Diff {
    workspace_id: String,
    from_snapshot: String,
    path: Option<String>,
    stat: bool,
    binary: bool,
    include_ignored: bool,
    max_output_chars: Option<usize>,
}

impl Request for Diff {
    type Output = WorkspaceDiff;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        only_baseline(&self.from_snapshot)?;
        let mut diff = DiffRequest::default();
        if let Some(path) = &self.path {
            diff.path = TreePath::parse_given(path)?;
        }
        diff.stat = self.stat;
        diff.binary = self.binary;
        diff.include_ignored = self.include_ignored;
        diff.total_characters = self.max_output_chars;
        let workspace = workspace_of(&context.pyro, &self.workspace_id)?;
        let mut shown = workspace.diff(&diff).await?;
        patch_text::fit(&mut shown);
        Ok(shown)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyPatch {
    workspace_id: String,
    patch: HostText,
    dry_run: bool,
}

impl Request for ApplyPatch {
    type Output = PatchResult;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let workspace = workspace_of(&context.pyro, &self.workspace_id)?;
        workspace
            .apply_patch(&self.patch.into_bytes(), self.dry_run)
            .await
    }
}
