//! `pyro df`.

use clap::Args;
use pyro::object::{DiskUsage, Space};
use pyro::{Pyro, Result};

use crate::exit::Exit;
use crate::format;
use crate::table::Table;
use crate::ui::Ui;

/// Show what takes space on disk
///
/// SIZE is the length of the files, USED the blocks that they take, UNSHARED what a removal gives back at least: files
/// with a further name do not count. Blocks shared between copies count for each of them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro df")]
pub(crate) struct Df {}

/// Shows the table.
pub(crate) fn execute(_df: &Df, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    ui.result(&pyro.disk_usage()?, text)?;
    Ok(Exit::Done)
}

fn text(usage: &DiskUsage) -> String {
    let mut table = Table::with_heading(["KIND", "SIZE", "USED", "UNSHARED", "NAME"]);
    for (kind, items) in usage.lists() {
        for item in items {
            table.push(row(kind, item.space, item.name.clone()));
        }
    }
    table.push(row("total", usage.totals, String::new()));
    format!("{}{} free\n", table.render(), format::size(usage.free_bytes))
}

fn row(kind: &str, space: Space, name: String) -> [String; 5] {
    let [size, used, unshared] =
        [space.apparent_bytes, space.used_bytes, space.unshared_bytes].map(format::size);
    [kind.to_owned(), size, used, unshared, name]
}
