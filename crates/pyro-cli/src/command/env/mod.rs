//! `pyro env`: the environments that VMs start from.

mod build;
mod import;
mod inspect;
mod list;
mod prune;
mod pull;

use clap::{Args, Subcommand};
use pyro::object::EnvironmentInfo;
use pyro::{Pyro, Result};

use crate::exit::Exit;
use crate::format;
use crate::table::one_line;
use crate::ui::Ui;

/// List, fetch, make and remove environments
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  pyro env list"
)]
pub(crate) struct Env {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    List(list::List),
    Pull(pull::Pull),
    Inspect(inspect::Inspect),
    Build(build::Build),
    Import(import::Import),
    Prune(prune::Prune),
}

/// Does what the command asks.
pub(crate) fn execute(env: Env, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let environments = pyro.environments();
    match env.command {
        EnvCommand::List(list) => list::execute(&list, &environments, ui),
        EnvCommand::Pull(pull) => pull::execute(&pull, &environments, ui),
        EnvCommand::Inspect(inspect) => inspect::execute(&inspect, &environments, ui),
        EnvCommand::Build(build) => build::execute(build, &environments, ui),
        EnvCommand::Import(import) => import::execute(&import, &environments, ui),
        EnvCommand::Prune(prune) => prune::execute(&prune, &environments, ui),
    }?;
    Ok(Exit::Done)
}

/// The line about an environment that was just installed.
fn installed(info: &EnvironmentInfo) -> String {
    let mut facts = Vec::new();
    facts.extend(info.size_bytes.map(format::size));
    facts.extend(info.source_digest.clone());
    let facts = one_line(&facts.join(", "));
    format!("{} is installed ({facts})\n", one_line(&info.name))
}
