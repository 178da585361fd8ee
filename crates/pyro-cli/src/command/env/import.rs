//! `pyro env import`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use pyro::{Environments, ImportSource, Result};

use crate::failure::Failure;
use crate::host_path;
use crate::ui::Ui;
use crate::wait;

/// Make an environment from an image on this host
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pyro env import rootfs.tar.gz --name mine\n  \
                  docker save app -o app.tar && pyro env import docker-archive:app.tar")]
pub(crate) struct Import {
    /// oci-layout:DIR, docker-archive:FILE, or the tar of a root file system; `-` reads that tar from standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Name to install it under [default: from PATH]
    #[arg(long)]
    name: Option<String>,
}

/// Imports it, with progress.
pub(super) fn execute(import: &Import, environments: &Environments, ui: Ui) -> Result<()> {
    let source = source(&import.path)?;
    let mut progress = ui.progress();
    let mut on_progress = |event| progress.environment(event);
    let info = wait::block_on(wait::unless_interrupted(
        "the import",
        "run it again to start over",
        environments.import(&source, import.name.as_deref(), &mut on_progress),
    ))?;
    progress.clear();
    ui.warnings(&info.warnings);
    ui.result(&info, super::installed)
}

fn source(path: &Path) -> Result<ImportSource, Failure> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Failure::invalid(
                "standard input is a terminal, not a tar",
                "pipe one in, as in `pyro env import - --name mine < rootfs.tar`",
            ));
        }
        return Ok(ImportSource::RootfsTar("/dev/stdin".into()));
    }
    // The prefixes are text; a path that is not cannot begin with one that matters.
    let parsed = path.to_str().map_or_else(
        || ImportSource::RootfsTar(path.to_path_buf()),
        ImportSource::parse,
    );
    Ok(match parsed {
        ImportSource::OciLayout(dir) => ImportSource::OciLayout(host_path::expand(&dir)),
        ImportSource::DockerArchive(file) => ImportSource::DockerArchive(host_path::expand(&file)),
        ImportSource::RootfsTar(file) => ImportSource::RootfsTar(host_path::expand(&file)),
    })
}
