//! `pyro man`: manual pages, made from what `--help` says.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use pyro::Result;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::host_path;
use crate::ui::Ui;

/// Write manual pages of all commands, in section 1
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pyro man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Directory to write to; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Pages {
    /// Where.
    output_path: PathBuf,
    /// How many pages.
    entry_count: usize,
}

/// Writes them.
pub(crate) fn execute(man: &Man, grammar: Command, ui: Ui) -> Result<Exit> {
    let output_path = host_path::absolute("--out", &man.out)?;
    let entry_count = write(&output_path, grammar).map_err(|source| Failure::Host {
        attempt: "cannot write the manual pages",
        source,
    })?;
    let pages = Pages {
        output_path,
        entry_count,
    };
    ui.result(&pages, |pages| {
        format!("{} pages in {}\n", pages.entry_count, pages.output_path.display())
    })?;
    Ok(Exit::Done)
}

fn write(directory: &Path, grammar: Command) -> std::io::Result<usize> {
    std::fs::create_dir_all(directory)?;
    let grammar = grammar.disable_help_subcommand(true);
    let count = pages(&grammar);
    clap_mangen::generate_to(grammar, directory)?;
    Ok(count)
}

/// A page for a command and for each below it that is shown.
fn pages(command: &Command) -> usize {
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    1 + shown.map(pages).sum::<usize>()
}
