//! `pyro tools export`.

use clap::Args;
use pyro::{Pyro, Result};
use pyro_mcp::{FunctionFormat, ToolBox};
use serde::Serialize;
use serde_json::Value;

use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::tool_choice::ToolChoice;
use crate::ui::Ui;

/// Print the tools of a profile as the functions that an API of models takes
///
/// The definitions are those that `pyro mcp serve` shows, as one JSON array. `--json` puts format, profile and
/// instructions beside it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro tools export --profile vm-run\n  pyro tools export --format anthropic --profile \
                  workspace-core --read-only"
)]
pub(crate) struct Export {
    /// Whose: OpenAI's Responses or Chat Completions API, Anthropic's Messages API, Google's Gemini API
    #[arg(long, default_value = "openai", value_parser = ["openai", "openai-chat", "anthropic", "gemini"])]
    format: String,

    #[command(flatten)]
    choice: ToolChoice,

    /// Environment where a call names none [default: $PYRO_ENVIRONMENT, else debian:12]
    #[arg(long, value_name = "ENV", add = complete::environments())]
    environment: Option<String>,
}

/// What was exported.
#[derive(Debug, Serialize)]
struct Exported {
    format: &'static str,
    profile: &'static str,
    instructions: String,
    count: usize,
    tools: Vec<Value>,
}

/// Prints them.
pub(crate) fn execute(export: Export, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let format: FunctionFormat = export.format.parse().map_err(Failure::argument)?;
    let mut options = export.choice.options()?;
    let profile = options.profile;
    options.environment = export.environment;
    let tools = ToolBox::new(pyro.clone(), options);
    let definitions = tools.definitions(format);
    let exported = Exported {
        format: format.as_str(),
        profile: profile.as_str(),
        instructions: tools.instructions(),
        count: definitions.len(),
        tools: definitions,
    };
    ui.result(&exported, |exported| {
        let array = Value::from(exported.tools.clone());
        format!("{array:#}\n")
    })?;
    Ok(Exit::Done)
}
