//! `pyro workspace file write`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use pyro::object::FileWrite;
use pyro::{Pyro, Result, WriteFileRequest};

use super::super::{Which, guest_path};
use crate::bounded::Bounded;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::table::escaped;
use crate::ui::Ui;
use crate::wait;

const CONTENT: Bounded = Bounded {
    what: "the content",
    hint: "bring it in with `pyro workspace sync push ID SRC`",
};

/// Write a file of a workspace
///
/// The file is replaced whole and at once, and keeps its mode; a new one gets 0644. Nothing is written through a link. The
/// content has at most 8 MiB.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace file write alpha note.txt --text 'to do'\n  \
                        pyro workspace file write alpha bin/run --text-file run.sh --executable\n  \
                        date | pyro workspace file write alpha log --text-file - --append"
)]
pub(crate) struct Write {
    #[command(flatten)]
    which: Which,

    /// File, relative to /workspace or below it
    #[arg(value_name = "PATH")]
    path: OsString,

    /// Its content, as it is: no newline is added
    #[arg(long, allow_hyphen_values = true, conflicts_with = "text_file")]
    text: Option<OsString>,

    /// File of this host with its content, any bytes; `-` is standard input
    #[arg(long, value_name = "PATH")]
    text_file: Option<PathBuf>,

    /// Add the content to the end of the file
    #[arg(long)]
    append: bool,

    /// Make the file executable
    #[arg(long)]
    executable: bool,

    /// Do not make missing directories
    #[arg(long)]
    no_parents: bool,
}

/// Writes it, and says what became of it.
pub(super) fn execute(write: Write, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let path = guest_path::parse(&write.path)?;
    let content = CONTENT.take(write.text, write.text_file, || {
        Failure::invalid(
            "there is nothing to write",
            "pass `--text TEXT`, or `--text-file PATH`, which may be `-`",
        )
    })?;
    let mut request = WriteFileRequest::new(path, content);
    request.append = write.append;
    request.create_parents = !write.no_parents;
    request.executable = write.executable.then_some(true);
    let workspace = write.which.find(pyro)?;
    let written = wait::block_on(wait::unless_interrupted(
        "writing the file",
        "it is as before or as after; look at it, or run this again",
        workspace.write_file(&request),
    ))?;
    ui.warnings(&written.warnings);
    ui.result(&written, text)?;
    Ok(Exit::Done)
}

fn text(written: &FileWrite) -> String {
    let new = if written.created { ", new" } else { "" };
    let added = match written.bytes_written {
        bytes if bytes == written.size_bytes => String::new(),
        bytes => format!(" ({} of them now)", format::size(bytes)),
    };
    let (path, size) = (escaped(&written.path), format::size(written.size_bytes));
    format!("{path}: {size}{added}, mode {}{new}\n", escaped(&written.mode))
}
