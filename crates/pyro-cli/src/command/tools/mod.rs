//! `pyro tools`: the tools of pyro for programs that talk to a model without MCP.

mod export;

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};

use crate::exit::Exit;
use crate::ui::Ui;

/// The tools of pyro as functions, for programs that talk to a model without MCP
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro tools export --format openai --profile workspace-core"
)]
pub(crate) struct ToolsArgs {
    #[command(subcommand)]
    command: ToolsCommand,
}

#[derive(Debug, Subcommand)]
enum ToolsCommand {
    Export(export::Export),
}

/// Does what the command asks.
pub(crate) fn execute(tools: ToolsArgs, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    match tools.command {
        ToolsCommand::Export(export) => export::execute(export, pyro, ui),
    }
}
