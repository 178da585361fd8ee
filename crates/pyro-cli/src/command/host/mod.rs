//! `pyro host`: the chat hosts that start pyro as an MCP server.

mod connect;
mod doctor;
mod print_config;
mod repair;
mod report;
mod target;

use clap::{Args, Subcommand};
use pyro::Result;

use crate::exit::Exit;
use crate::ui::Ui;

/// Connect chat hosts to pyro: Claude Code, Codex, OpenCode, Cursor, VS Code, Claude Desktop
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro host connect claude-code --allow-host-path ~/project"
)]
pub(crate) struct HostArgs {
    #[command(subcommand)]
    command: HostCommand,
}

#[derive(Debug, Subcommand)]
enum HostCommand {
    Connect(connect::Connect),
    PrintConfig(print_config::PrintConfig),
    Doctor(doctor::Doctor),
    Repair(repair::Repair),
}

/// Does what the command asks.
pub(crate) fn execute(host: HostArgs, ui: Ui) -> Result<Exit> {
    match host.command {
        HostCommand::Connect(connect) => connect::execute(&connect, ui),
        HostCommand::PrintConfig(print) => print_config::execute(&print, ui),
        HostCommand::Doctor(doctor) => doctor::execute(&doctor, ui),
        HostCommand::Repair(repair) => repair::execute(&repair, ui),
    }
}
