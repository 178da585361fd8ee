//! `pyro env build`.

use clap::Args;
use pyro::{BuildOptions, Environments, Result};

use crate::complete;
use crate::ui::Ui;
use crate::wait;

/// Build a catalog entry from its distribution's own packages
///
/// Needs mmdebstrap on this host, and no root.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro env build debian:12\n  pyro env build debian:12 --package jq --name debian-jq"
)]
pub(crate) struct Build {
    /// Name in the catalog
    #[arg(value_name = "ENV", add = complete::environments())]
    environment: String,

    /// Package mirror [default: the package sources of this host]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,

    /// Further package; may be given several times
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,

    /// Name to install it under [default: the catalog's]
    #[arg(long)]
    name: Option<String>,
}

/// Builds it, with progress.
pub(super) fn execute(build: Build, environments: &Environments, ui: Ui) -> Result<()> {
    let mut options = BuildOptions::default();
    options.mirror = build.mirror;
    options.packages = build.packages;
    options.name = build.name;
    let mut progress = ui.progress();
    let mut on_progress = |event| progress.environment(event);
    let info = wait::block_on(wait::unless_interrupted(
        "the build",
        "run it again to start over",
        environments.build(&build.environment, &options, &mut on_progress),
    ))?;
    progress.clear();
    ui.warnings(&info.warnings);
    ui.result(&info, super::installed)
}
