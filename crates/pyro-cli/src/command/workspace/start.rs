//! `pyro workspace start`.

use clap::Args;
use pyro::{Pyro, Result};

use super::{Which, describe};
use crate::exit::Exit;
use crate::ui::Ui;
use crate::wait;

/// Start the VM of a workspace that is stopped
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace start alpha")]
pub(crate) struct Start {
    #[command(flatten)]
    which: Which,
}

/// Does it and shows the workspace.
pub(crate) fn execute(start: &Start, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let workspace = start.which.find(pyro)?;
    let info = wait::block_on(workspace.start())?;
    ui.warnings(&info.warnings);
    ui.result(&info, describe)?;
    Ok(Exit::Done)
}
