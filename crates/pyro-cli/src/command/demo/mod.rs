//! `pyro demo`: one command in a VM, by hand or by a model.

mod ollama;

use clap::{Args, Subcommand};
use pyro::{Pyro, Result};

use super::run;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::option::TierOptions;
use crate::ui::Ui;

/// What runs in the VM.
const PROBE: [&str; 2] = ["git", "--version"];

/// Show that VMs work here: run `git --version` in one
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  pyro demo\n  pyro demo --isolation emulated\n  pyro demo ollama --model qwen3:8b"
)]
pub(crate) struct Demo {
    #[command(subcommand)]
    command: Option<DemoCommand>,

    /// Show that the guest reaches the network; not possible in this version
    #[arg(long)]
    network: bool,

    #[command(flatten)]
    tier: TierOptions,
}

#[derive(Debug, Subcommand)]
enum DemoCommand {
    Ollama(ollama::Ollama),
}

/// Runs the probe, or has a model run it.
pub(crate) fn execute(demo: Demo, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    if let Some(DemoCommand::Ollama(ollama)) = demo.command {
        return ollama::execute(&ollama, pyro, ui);
    }
    if demo.network {
        return Err(Failure::NotBuilt {
            what: "a guest's network cannot be shown",
            hint: "networking is not part of this version; try without it: `pyro demo`",
        }
        .into());
    }
    run::probe(&PROBE, &demo.tier, pyro, ui)
}
