//! `pyro workspace diff`: what changed since the beginning.

use std::ffi::OsString;

use clap::Args;
use pyro::object::WorkspaceDiff;
use pyro::{DiffRequest, Pyro, Result, TREE};

use super::snapshot::BASELINE;
use super::{Which, guest_path, snapshot};
use crate::exit::Exit;
use crate::table::escaped;
use crate::ui::{Form, Ui};
use crate::{diffstat, format, patch_colour, wait};

/// How many files that the patch lacks are told of one by one.
const TOLD: usize = 10;

/// Show what differs from the baseline, as a patch
///
/// The patch is in Git's format and alone on standard output; it is empty if nothing differs. In a Git work tree what
/// Git ignores is counted and not shown.
#[expect(clippy::struct_excessive_bools, reason = "the options of the contract")]
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace diff alpha >changes.patch\n  pyro workspace diff alpha --stat --path src\n  \
                  pyro workspace diff alpha --binary | git apply"
)]
pub(crate) struct Diff {
    #[command(flatten)]
    which: Which,

    /// Snapshot to compare with; the baseline is the only one in this version
    #[arg(long, value_name = "SNAPSHOT", default_value = BASELINE, allow_hyphen_values = true)]
    from: String,

    /// Only what is at or below this path
    #[arg(long, value_name = "PATH", default_value = TREE)]
    path: OsString,

    /// Show names and numbers of lines instead of the patch
    #[arg(long)]
    stat: bool,

    /// Put the content of binary files into the patch
    #[arg(long)]
    binary: bool,

    /// Show what Git ignores, and .git, too
    #[arg(long)]
    include_ignored: bool,

    /// End with status 1 if something differs
    #[arg(long)]
    exit_code: bool,
}

/// Shows it.
pub(crate) fn execute(diff: &Diff, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = DiffRequest::default();
    request.path = guest_path::parse(&diff.path)?;
    request.stat = diff.stat;
    request.binary = diff.binary;
    request.include_ignored = diff.include_ignored;
    let workspace = diff.which.find(pyro)?;
    snapshot::check("--from", &diff.from, diff.which.given())?;
    let found = wait::block_on(wait::unless_interrupted("the diff", "run it again", async {
        let mut progress = ui.progress();
        progress.step("comparing");
        workspace.diff(&request).await
    }))?;
    match ui.form() {
        Form::Json => ui.result(&found, |_| String::new())?,
        Form::Human => show(&found, diff.stat, ui)?,
    }
    let is_as_wanted = !(diff.exit_code && found.changed);
    Ok(Exit::of_answer(is_as_wanted))
}

fn show(found: &WorkspaceDiff, stat: bool, ui: Ui) -> Result<()> {
    if stat {
        ui.stdout_lines(|show| diffstat::lines(found, ui.stdout_colours(), show))?;
    } else if ui.stdout_colours() {
        ui.bytes(&patch_colour::coloured(&found.patch_bytes))?;
    } else {
        ui.bytes(&found.patch_bytes)?;
    }
    ui.warnings(&found.warnings);
    if !stat {
        ui.warnings(&omissions(found));
    }
    if let Some(line) = summary(found, stat) {
        ui.summary(&line);
    }
    Ok(())
}

/// What the patch does not bring about.
fn omissions(found: &WorkspaceDiff) -> Vec<String> {
    let mut omitted = found
        .entries
        .iter()
        .filter_map(|entry| Some((escaped(&entry.path), entry.patch_omitted.as_deref()?)));
    let mut told: Vec<String> = omitted
        .by_ref()
        .take(TOLD)
        .map(|(path, reason)| match reason {
            "binary" => format!("`{path}` is binary; `--binary` puts it into the patch"),
            reason => format!("`{path}` is not in the patch: {reason}"),
        })
        .collect();
    let more = omitted.count();
    if more > 0 {
        told.push(format!("{more} more are not in the patch; see `--stat`"));
    }
    told
}

/// How much differs; a stat says that itself.
fn summary(found: &WorkspaceDiff, stat: bool) -> Option<String> {
    let mut parts = Vec::new();
    if !found.changed {
        parts.push(format!("nothing differs from {}", escaped(&found.from_snapshot)));
    } else if !stat {
        parts.push(diffstat::total(found));
    }
    if found.ignored.count > 0 {
        parts.push(format!(
            "{} ignored by Git, not shown ({})",
            format::count(found.ignored.count, "path"),
            format::size(found.ignored.bytes)
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
