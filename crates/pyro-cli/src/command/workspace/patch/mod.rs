//! `pyro workspace patch`: patches and what becomes of them.

mod apply;
mod rejected;

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};

use crate::exit::Exit;
use crate::ui::Ui;

/// Change files of a workspace by patches
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro workspace patch apply alpha --patch-file fix.patch"
)]
pub(crate) struct PatchArgs {
    #[command(subcommand)]
    command: PatchCommand,
}

#[derive(Debug, Subcommand)]
enum PatchCommand {
    Apply(apply::Apply),
}

/// Does what the command asks.
pub(crate) fn execute(patch: PatchArgs, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    match patch.command {
        PatchCommand::Apply(apply) => apply::execute(apply, pyro, ui),
    }
}
