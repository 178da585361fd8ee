//! `pyro workspace reset`.

use clap::Args;
use pyro::{Pyro, Result};

use super::snapshot::BASELINE;
use super::{Which, describe, snapshot};
use crate::exit::Exit;
use crate::ui::Ui;
use crate::wait;

/// Return the whole disk of a workspace to its beginning
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro workspace reset alpha")]
pub(crate) struct Reset {
    #[command(flatten)]
    which: Which,

    /// Snapshot to return to; the baseline is the only one in this version
    #[arg(long, value_name = "SNAPSHOT", default_value = BASELINE, allow_hyphen_values = true)]
    snapshot: String,
}

/// Does it and shows the workspace.
pub(crate) fn execute(reset: &Reset, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let workspace = reset.which.find(pyro)?;
    snapshot::check("--snapshot", &reset.snapshot, reset.which.given())?;
    let info = wait::block_on(workspace.reset())?;
    ui.warnings(&info.warnings);
    ui.result(&info, describe)?;
    Ok(Exit::Done)
}
