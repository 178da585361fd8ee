//! `pyro prune`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use pyro::argument;
use pyro::object::Pruning;
use pyro::{PruneRequest, Pyro, Result};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::table::one_line;
use crate::ui::{Form, Ui};

/// Remove leftovers, templates that no longer serve, and workspaces that nobody came back to
///
/// A template goes if it fits nothing that is installed now, or was not used for a while; the next VM of its kind makes
/// it anew. A workspace goes if it was stopped because nobody used it, and that was long ago. What is in use stays.
/// Environments are removed by `pyro env prune`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pyro prune --dry-run\n  pyro prune --older-than 12h --yes")]
pub(crate) struct Prune {
    /// Remove templates that were not used, and workspaces that were stopped, for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "7d",
        allow_hyphen_values = true
    )]
    older_than: String,

    /// Remove workspaces that were stopped on request, too
    #[arg(long)]
    stopped: bool,

    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Prunes, after a question where there is someone to answer it, and shows what is gone.
pub(crate) fn execute(prune: &Prune, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = PruneRequest::default();
    request.older_than = older_than(&prune.older_than)?;
    request.stopped = prune.stopped;
    request.dry_run = prune.dry_run;
    if !prune.dry_run && !prune.yes && !agreed(pyro, &request, ui)? {
        return Ok(Exit::Done);
    }
    let report = pyro.prune(&request)?;
    ui.result(&report, text)?;
    Ok(Exit::Done)
}

fn older_than(given: &str) -> Result<Duration, Failure> {
    argument::duration("older_than", given).map_err(|error| {
        let hint = "write a number and a unit, as in `--older-than 7d`";
        Failure::invalid(error.to_string().replace("`older_than`", "`--older-than`"), hint)
    })
}

/// Shows what would go, and asks whether it should.
fn agreed(pyro: &Pyro, request: &PruneRequest, ui: Ui) -> Result<bool> {
    let is_attended = io::stdin().is_terminal() && io::stderr().is_terminal();
    if ui.form() == Form::Json || !is_attended {
        return Err(Failure::invalid(
            "nobody can be asked whether to remove",
            "pass `--yes`, or look first: `pyro prune --dry-run`",
        )
        .into());
    }
    let mut tried = request.clone();
    tried.dry_run = true;
    let report = pyro.prune(&tried)?;
    if report.removed.is_empty() {
        // Nothing to agree to, and the report says so.
        return Ok(true);
    }
    ui.diagnostic(text(&report).trim_end());
    let agreed = ui.ask("Remove them?")?;
    if !agreed {
        ui.summary("nothing was removed");
    }
    Ok(agreed)
}

fn text(report: &Pruning) -> String {
    let verb = if report.dry_run { "would remove" } else { "removed" };
    let mut lines: Vec<String> = Vec::new();
    for item in &report.removed {
        let (kind, name, size) = (
            format::name(item.kind),
            one_line(&item.name),
            format::size(item.bytes),
        );
        let reason = one_line(&item.reason);
        lines.push(format!("{verb} {kind} {name} ({size}): {reason}\n"));
    }
    for item in &report.kept {
        let (kind, name) = (format::name(item.kind), one_line(&item.name));
        lines.push(format!("kept {kind} {name}: {}\n", one_line(&item.reason)));
    }
    let number = format::count(report.removed.len(), "thing");
    lines.push(format!("{verb} {number}, {}\n", format::size(report.freed_bytes)));
    lines.concat()
}
