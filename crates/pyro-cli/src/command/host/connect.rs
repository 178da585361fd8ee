//! `pyro host connect`: an entry in a host's configuration.

use clap::Args;
use pyro::Result;

use super::report::{self, HostReport};
use super::target::{self, EntryOptions, ServeOptions};
use crate::exit::Exit;
use crate::host::{place, table};
use crate::ui::Ui;

/// Write an entry for pyro into a host's configuration; all else in the file stays as it is
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro host connect claude-code --allow-host-path ~/project\n  pyro host connect vscode --scope project --dry-run"
)]
pub(crate) struct Connect {
    /// The host
    #[arg(value_parser = table::NAMES)]
    host: String,

    #[command(flatten)]
    entry: EntryOptions,

    #[command(flatten)]
    serve: ServeOptions,

    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// Writes it.
pub(crate) fn execute(connect: &Connect, ui: Ui) -> Result<Exit> {
    let host = target::host(&connect.host)?;
    let name = connect.entry.name_for(host)?;
    let entry = connect.serve.entry()?;
    let config = place::config(host, connect.entry.scope(), name)?;
    let changed = report::put(&config, name, connect.dry_run, |_| Ok(entry.clone()))?;
    let report = HostReport {
        hosts: vec![report::state(&config, name)],
        changed,
    };
    ui.result(&report, |report| {
        report::outcome(report, connect.dry_run, host.next_step())
    })?;
    Ok(Exit::Done)
}
