//! `pyro workspace delete`.

use clap::Args;
use pyro::{Pyro, Result};

use super::Which;
use crate::exit::Exit;
use crate::ui::Ui;
use crate::wait;

/// Remove a workspace, with its disk and its history; what runs in it is ended
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace delete alpha")]
pub(crate) struct Delete {
    #[command(flatten)]
    which: Which,
}

/// Removes it.
pub(crate) fn execute(delete: &Delete, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let workspace = delete.which.find(pyro)?;
    let deletion = wait::block_on(workspace.delete())?;
    ui.result(&deletion, |deletion| {
        format!("{} is deleted\n", deletion.workspace_id)
    })?;
    Ok(Exit::Done)
}
