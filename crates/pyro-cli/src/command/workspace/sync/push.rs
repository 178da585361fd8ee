//! `pyro workspace sync push`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use pyro::object::{SyncReport, WorkspaceSync};
use pyro::{PushRequest, Pyro, Result, TREE};

use super::super::{Which, guest_path};
use crate::exit::Exit;
use crate::table::escaped;
use crate::ui::Ui;
use crate::{format, host_path, wait};

/// How many paths a dry run lists at most; of a directory only its own.
const LISTED: usize = 1000;

/// Bring a directory or an archive into a workspace
///
/// Files are replaced and added; with `--delete` what SRC lacks is removed too, but never what Git ignores, nor a .git
/// that SRC does not have. It is put in place at once: the tree is as before or as after. In a Git work tree what Git
/// ignores stays out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace sync push alpha .\n  pyro workspace sync push alpha dist.tar.zst --dest \
                  vendor --delete --dry-run"
)]
pub(crate) struct Push {
    #[command(flatten)]
    which: Which,

    /// Directory or tar of this host; the tar may be compressed with gzip or zstd
    #[arg(value_name = "SRC")]
    source: PathBuf,

    /// Directory of the workspace to put it into
    #[arg(long, value_name = "PATH", default_value = TREE)]
    dest: OsString,

    /// Remove what SRC lacks
    #[arg(long)]
    delete: bool,

    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,

    /// Take along what Git ignores
    #[arg(long)]
    include_ignored: bool,
}

/// Brings it in, with progress, and says what was done.
pub(super) fn execute(push: &Push, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = PushRequest::new(host_path::source("SRC", &push.source)?);
    request.dest = guest_path::parse(&push.dest)?;
    request.delete = push.delete;
    request.dry_run = push.dry_run;
    request.include_ignored = push.include_ignored;
    let workspace = push.which.find(pyro)?;
    let pushed = wait::block_on(wait::unless_interrupted(
        "the push",
        "the tree is as before or as after; run it again",
        async {
            let progress = Mutex::new(ui.progress());
            let on_transfer = |event| {
                // A panic elsewhere leaves the bar as it was.
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.transfer(event);
            };
            workspace.push(&request, &on_transfer).await
        },
    ))?;
    ui.warnings(&pushed.warnings);
    ui.warnings(&guest_path::skipped(&pushed.workspace_sync.skipped));
    ui.result(&pushed, text)?;
    Ok(Exit::Done)
}

fn text(pushed: &WorkspaceSync) -> String {
    let report = &pushed.workspace_sync;
    let mut text = String::new();
    if pushed.dry_run {
        for path in &report.deleted_paths {
            text.push_str(&format!("would remove {}\n", escaped(path)));
        }
        if report.deleted_paths.len() >= LISTED {
            text.push_str("would remove others, which are not listed\n");
        }
    }
    text.push_str(&summary(report, pushed.dry_run));
    text
}

fn summary(report: &SyncReport, dry_run: bool) -> String {
    let counts = counts(&[
        ("removed", report.deleted_count),
        ("ignored by Git", report.ignored_count),
        ("skipped", report.skipped.len() as u64),
    ]);
    let verb = if dry_run { "would push" } else { "pushed" };
    let entries = format::count(report.entry_count, "entry");
    let (size, dest) = (format::size(report.bytes_written), escaped(&report.destination));
    format!("{verb} {entries}, {size}, to {dest}{counts}\n")
}

/// The counts that are not 0.
fn counts(all: &[(&str, u64)]) -> String {
    let told = all.iter().filter(|(_, count)| *count > 0);
    told.map(|(name, count)| format!("; {count} {name}")).collect()
}
