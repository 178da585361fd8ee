//! `pyro workspace update`.

use std::time::Duration;

use clap::Args;
use pyro::argument;
use pyro::{Pyro, Result, UpdateRequest};

use super::{Which, describe, labels};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::option::whole_number;
use crate::ui::Ui;
use crate::wait;

/// Change the name, the labels or the time to live of a workspace
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace update alpha --label owner=alice --ttl-seconds 7200")]
pub(crate) struct Update {
    #[command(flatten)]
    which: Which,

    /// Its new name
    #[arg(long)]
    name: Option<String>,

    /// Take its name away
    #[arg(long, conflicts_with = "name")]
    clear_name: bool,

    /// Label to set; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,

    /// Label to remove; may be given several times
    #[arg(long = "clear-label", value_name = "KEY")]
    clear_labels: Vec<String>,

    /// Stop its VM after this many idle seconds, 60–604800
    #[arg(long, value_name = "SECONDS", value_parser = whole_number, allow_negative_numbers = true)]
    ttl_seconds: Option<u64>,
}

/// Changes it and shows it.
pub(crate) fn execute(update: Update, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = UpdateRequest::default();
    request.name = match update.name {
        Some(name) => Some(Some(name.parse()?)),
        None if update.clear_name => Some(None),
        None => None,
    };
    request.labels = labels(&update.labels)?;
    request.clear_labels = update.clear_labels;
    request.ttl = update
        .ttl_seconds
        .map(|seconds| argument::in_range("ttl_seconds", seconds, &argument::TTL_SECONDS))
        .transpose()
        .map_err(Failure::argument)?
        .map(Duration::from_secs);
    let workspace = update.which.find(pyro)?;
    let info = wait::block_on(workspace.update(&request))?;
    ui.result(&info, describe)?;
    Ok(Exit::Done)
}
