//! `pyro workspace stop`.

use clap::Args;
use pyro::{Pyro, Result};

use super::{Which, describe};
use crate::exit::Exit;
use crate::ui::Ui;
use crate::wait;

/// Power a workspace's guest off; its disk is kept
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace stop alpha")]
pub(crate) struct Stop {
    #[command(flatten)]
    which: Which,
}

/// Does it and shows the workspace.
pub(crate) fn execute(stop: &Stop, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let workspace = stop.which.find(pyro)?;
    let info = wait::block_on(workspace.stop())?;
    ui.warnings(&info.warnings);
    ui.result(&info, describe)?;
    Ok(Exit::Done)
}
