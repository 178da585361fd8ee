//! `pyro host repair`: an entry that does not work is written anew.

use clap::Args;
use pyro::Result;

use super::report::{self, HostReport};
use super::target::{self, EntryOptions, ServeOptions};
use crate::exit::Exit;
use crate::host::entry::Entry;
use crate::host::{place, serve, table};
use crate::ui::Ui;

/// Write a missing, stale or broken entry anew, with those of its options that this pyro takes
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro host repair claude-code --dry-run")]
pub(crate) struct Repair {
    /// The host
    #[arg(value_parser = table::NAMES)]
    host: String,

    #[command(flatten)]
    entry: EntryOptions,

    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// Repairs it.
pub(crate) fn execute(repair: &Repair, ui: Ui) -> Result<Exit> {
    let host = target::host(&repair.host)?;
    let name = repair.entry.name_for(host)?;
    let config = place::config(host, repair.entry.scope(), name)?;
    let changed = report::put(&config, name, repair.dry_run, repaired)?;
    let report = HostReport {
        hosts: vec![report::state(&config, name)],
        changed,
    };
    ui.result(&report, |report| {
        report::outcome(report, repair.dry_run, host.next_step())
    })?;
    Ok(Exit::Done)
}

/// What an entry should be: itself, if it starts this pyro, be it over a link.
fn repaired(present: Option<&Entry>) -> Result<Entry> {
    let Some(present) = present else {
        return ServeOptions::default_entry();
    };
    let this = place::this_program()?;
    let program = place::program(&present.command).and_then(|path| path.canonicalize().ok());
    let is_this = program.is_some_and(|program| place::leads_to(this.as_ref(), &program));
    Ok(Entry {
        command: if is_this { present.command.clone() } else { this },
        args: serve::kept(present),
    })
}
