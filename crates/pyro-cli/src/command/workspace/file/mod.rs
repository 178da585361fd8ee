//! `pyro workspace file`: single files of a workspace.

mod list;
mod read;
mod write;

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};

use crate::exit::Exit;
use crate::ui::Ui;

/// List, read and write files of a workspace
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro workspace file read alpha src/main.rs"
)]
pub(crate) struct FileArgs {
    #[command(subcommand)]
    command: FileCommand,
}

#[derive(Debug, Subcommand)]
enum FileCommand {
    List(list::List),
    Read(read::Read),
    Write(write::Write),
}

/// Does what the command asks.
pub(crate) fn execute(file: FileArgs, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    match file.command {
        FileCommand::List(list) => list::execute(&list, pyro, ui),
        FileCommand::Read(read) => read::execute(&read, pyro, ui),
        FileCommand::Write(write) => write::execute(write, pyro, ui),
    }
}
