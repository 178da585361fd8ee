//! `pyro workspace kill`.

use clap::Args;
use pyro::{Pyro, Result, Signal};

use super::{Which, logs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::option::whole_number;
use crate::ui::Ui;
use crate::wait;

/// Send a signal to every process of a command that runs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace kill alpha 4 --signal INT")]
pub(crate) struct Kill {
    #[command(flatten)]
    which: Which,

    /// The number of the command, as `logs` shows it
    #[arg(value_name = "SEQUENCE", value_parser = whole_number, allow_negative_numbers = true)]
    sequence: u64,

    /// The signal, by its name or number
    #[arg(long, value_name = "SIGNAL", default_value = "TERM")]
    signal: String,
}

/// Sends it.
pub(crate) fn execute(kill: &Kill, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let signal: Signal = kill.signal.parse().map_err(Failure::argument)?;
    let workspace = kill.which.find(pyro)?;
    let entry = wait::block_on(workspace.kill_command(kill.sequence, signal))?;
    ui.result(&entry, logs::heading)?;
    Ok(Exit::Done)
}
