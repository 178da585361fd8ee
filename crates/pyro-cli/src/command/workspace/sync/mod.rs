//! `pyro workspace sync`: what is brought into a workspace.

mod push;

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};

use crate::exit::Exit;
use crate::ui::Ui;

/// Bring files of this host into a workspace
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro workspace sync push alpha ."
)]
pub(crate) struct SyncArgs {
    #[command(subcommand)]
    command: SyncCommand,
}

#[derive(Debug, Subcommand)]
enum SyncCommand {
    Push(push::Push),
}

/// Does what the command asks.
pub(crate) fn execute(sync: SyncArgs, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    match sync.command {
        SyncCommand::Push(push) => push::execute(&push, pyro, ui),
    }
}
