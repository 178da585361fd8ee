//! `pyro host print-config`: what connect would write into an empty file.

use std::path::PathBuf;

use clap::Args;
use pyro::Result;
use serde::Serialize;

use super::target::NewEntry;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print the configuration of a host that starts pyro, and change nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro host print-config codex --profile workspace-core")]
pub(crate) struct PrintConfig {
    #[command(flatten)]
    new: NewEntry,
}

/// The text as an object.
#[derive(Debug, Serialize)]
struct Printed {
    host: &'static str,
    /// Where the host reads it.
    config_path: PathBuf,
    text: String,
}

/// Prints it.
pub(crate) fn execute(print: &PrintConfig, ui: Ui) -> Result<Exit> {
    let (config, name, entry) = print.new.resolve()?;
    let text = config
        .with_entry("", name, &entry)
        .map_err(|problem| Failure::ForeignFile {
            path: config.path.clone(),
            problem: problem.to_string(),
        })?;
    let printed = Printed {
        host: config.host.name(),
        config_path: config.path,
        text,
    };
    ui.result(&printed, |printed| printed.text.clone())?;
    Ok(Exit::Done)
}
