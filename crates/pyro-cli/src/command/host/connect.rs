//! `pyro host connect`: an entry in a host's configuration.

use clap::Args;
use pyro::Result;

use super::report;
use super::target::NewEntry;
use crate::exit::Exit;
use crate::ui::Ui;

/// Write an entry for pyro into a host's configuration; all else in the file stays as it is
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro host connect claude-code --allow-host-path ~/project\n  pyro host connect vscode --scope project --dry-run"
)]
pub(crate) struct Connect {
    #[command(flatten)]
    new: NewEntry,

    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// Writes it.
pub(crate) fn execute(connect: &Connect, ui: Ui) -> Result<Exit> {
    let (config, name, entry) = connect.new.resolve()?;
    report::write_entry(&config, name, connect.dry_run, |_| Ok(entry.clone()), ui)
}
