//! `pyro mcp`: the MCP server.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};
use pyro_mcp::{Profile, ServerOptions, Structured, serve_stdio};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::{host_path, wait};

/// Serve the tools of pyro over MCP
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro mcp serve --profile workspace-core"
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
#[command(after_help = "Example:\n  pyro mcp serve --profile workspace-core --allow-host-path ~/project")]
struct Serve {
    /// Tools on offer
    #[arg(
        long,
        default_value = "workspace-full",
        value_parser = ["vm-run", "workspace-core", "workspace-full"],
    )]
    profile: String,

    /// Let clients bring in files of the host from DIR, and bring out files to it; may be repeated. The roots that a
    /// client announces are allowed besides
    #[arg(long, value_name = "DIR")]
    allow_host_path: Vec<PathBuf>,

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
        allow_host_path,
        transport: _stdio,
        environment,
        structured,
    }) = mcp.command;
    let mut options = ServerOptions::new(profile.parse::<Profile>().map_err(Failure::argument)?);
    options.structured = structured.parse::<Structured>().map_err(Failure::argument)?;
    options.environment = environment;
    options.allow_host_paths = allow_host_path
        .iter()
        .map(|path| directory(path))
        .collect::<Result<_>>()?;
    wait::block_on(async { Ok(serve_stdio(pyro.clone(), options).await?) })?;
    Ok(Exit::Done)
}

/// A directory of the host that is there: a root that is not would allow nothing, without a word.
fn directory(path: &Path) -> Result<PathBuf> {
    let found = host_path::expand(path).canonicalize();
    found.ok().filter(|path| path.is_dir()).ok_or_else(|| {
        let message = format!("`--allow-host-path` cannot be `{}`", path.display());
        Failure::invalid(message, "name a directory that is there").into()
    })
}
