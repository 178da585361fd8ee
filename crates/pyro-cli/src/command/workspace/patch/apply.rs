//! `pyro workspace patch apply`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use pyro::object::{PatchEntry, PatchResult};
use pyro::{ErrorCode, Pyro, Result};

use super::super::Which;
use super::rejected;
use crate::bounded::Bounded;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::table::{Table, escaped};
use crate::ui::{Form, Ui};
use crate::wait;

const PATCH: Bounded = Bounded {
    what: "the patch",
    hint: "split it, or use `pyro workspace sync push`",
};

/// Apply a unified or Git diff to a workspace
///
/// All of it is applied or nothing. A hunk may apply up to 1000 lines from where it says, if all its context and removed
/// lines are there. Paths are relative to /workspace, with or without `a/` and `b/`. The exit status is 1 if a hunk does
/// not fit; each of them is shown with the nearest lines of its file. The patch has at most 8 MiB.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace patch apply alpha --patch-file fix.patch --dry-run\n  \
                        git diff | pyro workspace patch apply alpha --patch-file -"
)]
pub(crate) struct Apply {
    #[command(flatten)]
    which: Which,

    /// The patch itself
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "patch_file"
    )]
    patch: Option<OsString>,

    /// File of this host with the patch; `-` is standard input
    #[arg(long, value_name = "PATH")]
    patch_file: Option<PathBuf>,

    /// Only check whether it applies
    #[arg(long)]
    dry_run: bool,
}

/// Applies it, and shows what became of each file.
pub(super) fn execute(apply: Apply, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let patch = PATCH.take(apply.patch, apply.patch_file, || {
        Failure::invalid(
            "there is no patch",
            "pass `--patch TEXT`, or `--patch-file PATH`, which may be `-`",
        )
    })?;
    let workspace = apply.which.find(pyro)?;
    let applied = wait::block_on(wait::unless_interrupted(
        "applying the patch",
        "all of it is applied or nothing; `pyro workspace diff` shows which",
        workspace.apply_patch(&patch, apply.dry_run),
    ));
    if let Err(error) = &applied
        && error.code() == ErrorCode::PatchFailed
        && ui.form() == Form::Human
    {
        for line in rejected::lines(error.details().as_ref()) {
            ui.diagnostic(&line);
        }
    }
    let applied = applied?;
    ui.warnings(&applied.warnings);
    ui.result(&applied, text)?;
    if ui.form() == Form::Human {
        ui.summary(&summary(&applied));
    }
    Ok(Exit::Done)
}

fn text(applied: &PatchResult) -> String {
    let mut table = Table::new();
    for entry in &applied.entries {
        let path = format!("{}{}", escaped(&entry.path), moved(entry));
        table.push([entry.status.as_str().to_owned(), path]);
    }
    table.render()
}

/// The hunks that did not apply where they say.
fn moved(entry: &PatchEntry) -> String {
    let hunks = entry.hunks.iter().filter(|hunk| hunk.offset != 0);
    let told = hunks.map(|hunk| format!("hunk {} at line {} ({:+})", hunk.hunk, hunk.line, hunk.offset));
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        String::new()
    } else {
        format!(": {}", told.join(", "))
    }
}

fn summary(applied: &PatchResult) -> String {
    let files = format::count(applied.summary.total.max(applied.entries.len()), "file");
    match (applied.changed, applied.dry_run) {
        (true, false) => format!("{files} patched"),
        (true, true) => format!("{files} would be patched; nothing was changed"),
        (false, _) => "the patch changes nothing".to_owned(),
    }
}
