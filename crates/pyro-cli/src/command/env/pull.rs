//! `pyro env pull`.

use clap::Args;
use pyro::{Environments, Result};

use crate::complete;
use crate::ui::Ui;
use crate::wait;

/// Fetch an environment into the cache
///
/// A catalog entry is built from its distribution's packages where no registry answers. What is there already is not
/// fetched again; an interrupted download resumes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro env pull debian:12\n  pyro env pull docker.io/library/python:3.12 --force"
)]
pub(crate) struct Pull {
    /// Name in the catalog, or OCI reference
    #[arg(value_name = "ENV", add = complete::environments())]
    environment: String,

    /// Resolve the tag again, and verify everything in full
    #[arg(long)]
    force: bool,
}

/// Fetches it, with progress.
pub(super) fn execute(pull: &Pull, environments: &Environments, ui: Ui) -> Result<()> {
    let mut progress = ui.progress();
    let mut on_progress = |event| progress.environment(event);
    let info = wait::block_on(wait::unless_interrupted(
        "the pull",
        "run it again to resume",
        environments.pull(&pull.environment, pull.force, &mut on_progress),
    ))?;
    progress.clear();
    ui.warnings(&info.warnings);
    ui.result(&info, super::installed)
}
