//! `pyro env inspect`.

use clap::Args;
use pyro::object::EnvironmentInfo;
use pyro::{Environments, Result};

use crate::complete;
use crate::format;
use crate::table::Table;
use crate::ui::Ui;

/// Show everything about one environment
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro env inspect debian:12")]
pub(crate) struct Inspect {
    /// Name in the catalog, of an import, or OCI reference
    #[arg(value_name = "ENV", add = complete::environments())]
    environment: String,
}

/// Shows it.
pub(super) fn execute(inspect: &Inspect, environments: &Environments, ui: Ui) -> Result<()> {
    ui.result(&environments.inspect(&inspect.environment)?, text)
}

fn text(info: &EnvironmentInfo) -> String {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let list = |items: &[String]| Some(items.join(", ")).filter(|text| !text.is_empty());
    let facts = [
        ("name", Some(info.name.clone())),
        ("description", Some(info.description.clone())),
        ("state", Some(format::name(info.state))),
        ("origin", info.origin.map(format::name)),
        ("version", Some(info.version.clone())),
        ("platform", Some(info.platform.clone())),
        ("packages", list(&info.default_packages)),
        ("reference", info.oci_reference.clone()),
        ("digest", info.source_digest.clone()),
        ("size", info.size_bytes.map(format::size)),
        ("source", info.paths.source.clone()),
        ("directory", path(&info.paths.install_dir)),
        ("used by", list(&info.used_by)),
    ];
    let mut table = Table::new();
    for (name, value) in facts {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.push([name.to_owned(), value]);
        }
    }
    table.render()
}
