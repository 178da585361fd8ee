//! `pyro env list`.

use clap::Args;
use pyro::object::{EnvironmentInfo, EnvironmentList, EnvironmentState};
use pyro::{Environments, Result};

use crate::format;
use crate::table::Table;
use crate::ui::Ui;

/// List the catalog and what else is installed
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro env list --json")]
pub(crate) struct List {}

/// Shows the list.
pub(super) fn execute(_list: &List, environments: &Environments, ui: Ui) -> Result<()> {
    ui.result(&environments.list()?, text)
}

fn text(list: &EnvironmentList) -> String {
    let mut table = Table::with_heading(["NAME", "INSTALLED", "SIZE", "DIGEST", "DESCRIPTION"]);
    for info in &list.environments {
        let digest = info.source_digest.as_deref().map(format::short_digest);
        table.push([
            info.name.clone(),
            installed(info),
            info.size_bytes.map_or_else(|| "-".to_owned(), format::size),
            digest.unwrap_or("-").to_owned(),
            info.description.clone(),
        ]);
    }
    table.render()
}

fn installed(info: &EnvironmentInfo) -> String {
    match info.state {
        EnvironmentState::Stale | EnvironmentState::Corrupt => format::name(info.state),
        _ if info.installed => "yes".to_owned(),
        _ => "no".to_owned(),
    }
}
