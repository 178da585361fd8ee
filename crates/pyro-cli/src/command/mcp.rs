//! `pyro mcp`: the MCP server.

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};
use pyro_mcp::{Profile, ServerOptions, Structured, serve_stdio};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wait;

/// Serve the tools of pyro over MCP
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro mcp serve --profile vm-run"
)]
pub(crate) struct Mcp {
    #[command(subcommand)]
    command: McpCommand,
}

#[derive(Debug, Subcommand)]
enum McpCommand {
    Serve(Serve),
}

/// Speak MCP on standard input and output, until the input ends
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro mcp serve --profile vm-run --environment debian:12-build")]
struct Serve {
    /// Tools on offer
    #[arg(long, default_value = "vm-run", value_parser = ["vm-run"])]
    profile: String,

    /// How the client is reached
    #[arg(long, default_value = "stdio", value_parser = ["stdio"])]
    transport: String,

    /// Environment where a call names none [default: $PYRO_ENVIRONMENT, else debian:12]
    #[arg(long, value_name = "ENV")]
    environment: Option<String>,

    /// Results with a structured form: those of tools whose payload is not text, or all
    #[arg(long, value_name = "RESULTS", default_value = "auto", value_parser = ["auto", "all"])]
    structured: String,
}

/// Serves until the client leaves.
pub(crate) fn execute(mcp: Mcp, pyro: &Pyro) -> Result<Exit> {
    let McpCommand::Serve(Serve {
        profile,
        transport: _stdio,
        environment,
        structured,
    }) = mcp.command;
    let mut options = ServerOptions::new(profile.parse::<Profile>().map_err(Failure::argument)?);
    options.structured = structured.parse::<Structured>().map_err(Failure::argument)?;
    options.environment = environment;
    wait::block_on(async { Ok(serve_stdio(pyro.clone(), options).await?) })?;
    Ok(Exit::Done)
}
