//! `pyro demo ollama`: a local model that runs a command in a VM by itself.

mod chat;
mod client;
mod drive;

use clap::Args;
use pyro::{Pyro, Result};
use pyro_mcp::{Profile, ServerOptions, Structured, ToolBox};

use self::client::ModelServer;
use self::drive::Driven;
use crate::exit::Exit;
use crate::table::escaped;
use crate::ui::Ui;
use crate::wait;

/// Have a local model run `git --version` in a VM by the tool `vm_run`
///
/// The model is asked through the OpenAI-compatible API of Ollama, or of any other server that speaks Chat Completions. It
/// succeeds when the command ended with status 0 in the guest.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ollama pull llama3.2:3b && pyro demo ollama\n  pyro demo ollama --model qwen3:8b -v"
)]
pub(super) struct Ollama {
    /// Where the API is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11434/v1")]
    base_url: String,

    /// The model; it must be able to call tools
    #[arg(long, value_name = "NAME", default_value = "llama3.2:3b")]
    model: String,

    /// Show what the model asks for and what it is told
    #[arg(short, long)]
    verbose: bool,
}

/// Drives the model to its last answer.
pub(super) fn execute(ollama: &Ollama, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let server = ModelServer::new(&ollama.base_url)?;
    let mut options = ServerOptions::new(Profile::VmRun);
    options.structured = Structured::All;
    let tools = ToolBox::new(pyro.clone(), options);
    let note = |text: &str| {
        if ollama.verbose {
            ui.diagnostic(&printable(text));
        }
    };
    let driven = wait::block_on(wait::unless_interrupted(
        "the demo",
        "run it again; its VM is removed",
        drive::drive(&server, &ollama.model, &tools, &note),
    ))?;
    ui.result(&driven, text)?;
    Ok(Exit::Done)
}

fn text(driven: &Driven) -> String {
    let mut text = printable(driven.answer.trim());
    if !text.is_empty() {
        text.push('\n');
    }
    let (model, command) = (escaped(&driven.model), escaped(&driven.command));
    text.push_str(&format!("{model} ran `{command}` in a VM: exit 0\n"));
    text
}

/// What others wrote, line by line, without anything that a terminal obeys.
fn printable(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}
