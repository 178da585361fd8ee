//! `pyro workspace export`: what is brought out of a workspace.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use pyro::object::WorkspaceExport;
use pyro::{ExportKind, ExportRequest, Pyro, Result, TREE};

use super::snapshot::BASELINE;
use super::{Which, guest_path, snapshot};
use crate::exit::Exit;
use crate::table::escaped;
use crate::ui::Ui;
use crate::{format, host_path, wait};

/// Bring a file, a directory or a link out of a workspace
///
/// The target appears whole or not at all, and is never written through a link. Owners become you; set-uid, set-gid and
/// sticky bits are dropped.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace export alpha report.txt --output report.txt\n  \
                        pyro workspace export alpha --output tree --force\n  \
                        pyro workspace export alpha --as-patch --output changes.patch"
)]
pub(crate) struct Export {
    #[command(flatten)]
    which: Which,

    /// What to bring out, relative to /workspace or below it
    #[arg(value_name = "PATH", default_value = TREE)]
    path: OsString,

    /// Where to put it on this host
    #[arg(long, value_name = "PATH")]
    output: PathBuf,

    /// Only what differs from the baseline
    #[arg(long)]
    changes: bool,

    /// What differs from the baseline, as one patch
    #[arg(long, conflicts_with = "changes")]
    as_patch: bool,

    /// Snapshot to compare with; the baseline is the only one in this version
    #[arg(long, value_name = "SNAPSHOT", default_value = BASELINE, allow_hyphen_values = true)]
    from: String,

    /// Replace the target if it is there
    #[arg(long)]
    force: bool,
}

/// Brings it out, and says where it is.
pub(crate) fn execute(export: &Export, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let path = guest_path::parse(&export.path)?;
    let mut request = ExportRequest::new(path, host_path::absolute("--output", &export.output)?);
    request.force = export.force;
    request.kind = match (export.changes, export.as_patch) {
        (true, _) => ExportKind::Changes,
        (false, true) => ExportKind::Patch,
        (false, false) => ExportKind::Whole,
    };
    let workspace = export.which.find(pyro)?;
    snapshot::check("--from", &export.from, export.which.given())?;
    let exported = wait::block_on(wait::unless_interrupted(
        "the export",
        "the target is as before or as after; run it again",
        async {
            let mut progress = ui.progress();
            progress.step("exporting");
            workspace.export(&request).await
        },
    ))?;
    ui.warnings(&exported.warnings);
    ui.warnings(&guest_path::skipped(&exported.skipped));
    ui.result(&exported, text)?;
    Ok(Exit::Done)
}

/// Where it is now, and what is gone.
pub(crate) fn text(exported: &WorkspaceExport) -> String {
    let mut text = String::new();
    for path in &exported.deleted_paths {
        text.push_str(&format!("deleted {}\n", escaped(path)));
    }
    let entries = format::count(exported.entry_count, "entry");
    text.push_str(&format!(
        "{} is in {} ({}, {entries}, {})\n",
        escaped(&exported.workspace_path),
        escaped(&exported.output_path.to_string_lossy()),
        exported.artifact_type.as_str(),
        format::size(exported.bytes_written)
    ));
    text
}
