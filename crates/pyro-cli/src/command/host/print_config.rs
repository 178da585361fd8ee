//! `pyro host print-config`: what connect would write into an empty file.

use std::path::PathBuf;

use clap::Args;
use pyro::Result;
use serde::Serialize;

use super::target::{self, EntryOptions, ServeOptions};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{place, table};
use crate::ui::Ui;

/// Print the configuration of a host that starts pyro, and change nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro host print-config codex --profile workspace-core")]
pub(crate) struct PrintConfig {
    /// The host
    #[arg(value_parser = table::NAMES)]
    host: String,

    #[command(flatten)]
    entry: EntryOptions,

    #[command(flatten)]
    serve: ServeOptions,
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
    let host = target::host(&print.host)?;
    let name = print.entry.name_for(host)?;
    let config = place::config(host, print.entry.scope(), name)?;
    let text = config
        .with_entry("", name, &print.serve.entry()?)
        .map_err(|problem| Failure::ForeignFile {
            path: config.path.clone(),
            problem: problem.to_string(),
        })?;
    let printed = Printed {
        host: host.name(),
        config_path: config.path,
        text,
    };
    ui.result(&printed, |printed| printed.text.clone())?;
    Ok(Exit::Done)
}
