//! `pyro workspace cp`: one file, directory or link, in or out.

mod side;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use pyro::object::WorkspaceSync;
use pyro::{CopyRequest, ExportRequest, Pyro, Result, Workspace};

use self::side::{Direction, InGuest, direction};
use super::{export, guest_path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::escaped;
use crate::ui::Ui;
use crate::{complete, format, host_path, wait};

/// Copy a file, a directory or a link into a workspace or out of it
///
/// One side is ID:PATH, the other a path of this host, which is written ./a:b if it has a colon. If DST is a directory, or
/// ends in a slash, SRC is copied into it under its own name. A directory is copied with all that is in it, also what Git
/// ignores; a link as a link. Modes and times are kept.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace cp report.txt alpha:out/report.txt\n  \
                        pyro workspace cp alpha:target/app .\n  pyro workspace cp --force ./src alpha:"
)]
pub(crate) struct Cp {
    /// What to copy: ID:PATH, or a path of this host
    #[arg(value_name = "SRC", add = complete::copy_sides())]
    source: OsString,

    /// Where to: a path of this host, or ID:PATH
    #[arg(value_name = "DST", add = complete::copy_sides())]
    target: OsString,

    /// Replace the target if it is there
    #[arg(long)]
    force: bool,
}

/// Copies it, and says what was copied.
pub(super) fn execute(cp: &Cp, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    match direction(&cp.source, &cp.target)? {
        Direction::In { source, target } => copy_in(source, &target, cp.force, pyro, ui),
        Direction::Out { source, target } => copy_out(&source, target, cp.force, pyro, ui),
    }
}

fn copy_in(source: &Path, target: &InGuest<'_>, force: bool, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = CopyRequest::new(named(source)?, target.path()?);
    request.into = target.ends_in_slash();
    request.force = force;
    let workspace = find(target, pyro)?;
    let copied = wait::block_on(wait::unless_interrupted(
        "the copy",
        "the target is as before or as after; run it again",
        async {
            let progress = Mutex::new(ui.progress());
            let on_transfer = |event| {
                // A panic elsewhere leaves the bar as it was.
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.transfer(event);
            };
            workspace.copy_in(&request, &on_transfer).await
        },
    ))?;
    ui.warnings(&copied.warnings);
    ui.warnings(&guest_path::skipped(&copied.workspace_sync.skipped));
    ui.result(&copied, text)?;
    Ok(Exit::Done)
}

fn copy_out(source: &InGuest<'_>, target: &Path, force: bool, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let path = source.path()?;
    if target == Path::new("-") {
        return Err(Failure::invalid(
            "`DST` cannot be standard output",
            "print a file by `pyro workspace file read ID PATH --content-only`; a file `-` is `./-`",
        )
        .into());
    }
    let mut output = host_path::absolute("DST", target)?;
    if output.is_dir() || side::ends_in_slash(target.as_os_str()) {
        output.push(source.name()?);
    }
    let mut request = ExportRequest::new(path, output);
    request.force = force;
    let workspace = find(source, pyro)?;
    let copied = wait::block_on(wait::unless_interrupted(
        "the copy",
        "the target is as before or as after; run it again",
        async {
            let mut progress = ui.progress();
            progress.step("copying");
            workspace.export(&request).await
        },
    ))?;
    ui.warnings(&copied.warnings);
    ui.warnings(&guest_path::skipped(&copied.skipped));
    ui.result(&copied, export::text)?;
    Ok(Exit::Done)
}

fn find(side: &InGuest<'_>, pyro: &Pyro) -> Result<Workspace> {
    pyro.workspace(&side.id.parse()?)
}

/// The source, absolute and with a name of its own: that of `.` and `..` is the directory's.
fn named(source: &Path) -> Result<PathBuf> {
    if source == Path::new("-") {
        return Err(Failure::invalid(
            "`SRC` cannot be standard input",
            "pass it to a command inside: `pyro workspace exec ID -i -- 'cat >FILE'`; a file `-` is `./-`",
        )
        .into());
    }
    let path = host_path::absolute("SRC", source)?;
    if path.file_name().is_some() {
        return Ok(path);
    }
    // Of what is not there the library tells.
    Ok(path.canonicalize().unwrap_or(path))
}

fn text(copied: &WorkspaceSync) -> String {
    let report = &copied.workspace_sync;
    let source = escaped(&report.source_path.to_string_lossy());
    let removed = match report.deleted_count {
        0 => String::new(),
        count => format!("; {count} removed"),
    };
    format!(
        "{source} is in {} ({}, {}, {}){removed}\n",
        escaped(&report.destination),
        format::name(report.mode),
        format::count(report.entry_count, "entry"),
        format::size(report.bytes_written),
    )
}
