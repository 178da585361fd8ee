//! `pyro man`: manual pages, made from what `--help` says.

use std::path::PathBuf;

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

fn write(directory: &std::path::Path, grammar: Command) -> std::io::Result<usize> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(grammar.disable_help_subcommand(true), directory)?;
    let pages = std::fs::read_dir(directory)?.flatten().filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(b"pyro") && name.as_encoded_bytes().ends_with(b".1")
    });
    Ok(pages.count())
}
