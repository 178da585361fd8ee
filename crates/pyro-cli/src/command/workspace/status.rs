//! `pyro workspace status`.

use clap::Args;
use pyro::{Pyro, Result};

use super::{Which, describe};
use crate::exit::Exit;
use crate::ui::Ui;

/// Show what is known of a workspace
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace status alpha")]
pub(crate) struct Status {
    #[command(flatten)]
    which: Which,
}

/// Shows it.
pub(crate) fn execute(status: &Status, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    ui.result(&status.which.find(pyro)?.status()?, describe)?;
    Ok(Exit::Done)
}
