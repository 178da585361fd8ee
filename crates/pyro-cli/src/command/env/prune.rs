//! `pyro env prune`.

use clap::Args;
use pyro::object::PruneReport;
use pyro::{Environments, PruneScope, Result};

use crate::format;
use crate::table::one_line;
use crate::ui::Ui;

/// Remove partial downloads and superseded environments from the cache
///
/// What a running VM uses stays.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro env prune --all --dry-run")]
pub(crate) struct Prune {
    /// Remove every environment that nothing uses
    #[arg(long)]
    all: bool,

    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
}

/// Prunes, and shows what is gone.
pub(super) fn execute(prune: &Prune, environments: &Environments, ui: Ui) -> Result<()> {
    let scope = if prune.all {
        PruneScope::AllUnused
    } else {
        PruneScope::Superseded
    };
    let report = environments.prune(scope, prune.dry_run)?;
    let verb = if prune.dry_run { "would remove" } else { "removed" };
    ui.result(&report, |report| text(report, verb))
}

fn text(report: &PruneReport, verb: &str) -> String {
    let mut lines: Vec<String> = report
        .deleted_environment_dirs
        .iter()
        .map(|dir| format!("{verb} {}\n", one_line(&dir.to_string_lossy())))
        .collect();
    lines.extend(
        report
            .kept
            .iter()
            .map(|kept| format!("kept {}\n", one_line(kept))),
    );
    let number = match report.count {
        1 => "1 directory".to_owned(),
        count => format!("{count} directories"),
    };
    lines.push(format!("{verb} {number}, {}\n", format::size(report.freed_bytes)));
    lines.concat()
}
