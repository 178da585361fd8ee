//! `pyro workspace exec`: one command in a workspace.

use std::ffi::OsString;

use clap::Args;
use pyro::object::WorkspaceExec;
use pyro::{Command, ErrorCode, ExecRequest, Pyro, Result};

use super::Which;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::{self, End};
use crate::option::ExecOptions;
use crate::ui::{Form, Ui};
use crate::{diffstat, follow, wait};

/// Run a command in a workspace
///
/// It runs beside whatever else runs there, in /workspace unless it is said otherwise. Several words after `--` are a
/// program and its arguments; a single word is a string for /bin/sh. The exit status is the command's own, as in `pyro
/// run`. A workspace that stopped because nobody used it is started first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pyro workspace exec alpha -- git status\n  \
                  tar c src | pyro workspace exec alpha -i -- tar x")]
pub(crate) struct Exec {
    #[command(flatten)]
    which: Which,

    /// Command to run, after `--`
    #[arg(value_name = "CMD", last = true, required = true)]
    command: Vec<OsString>,

    /// Say what the command changed in /workspace; in `--json` with the patch
    #[arg(long)]
    diff: bool,

    #[command(flatten)]
    exec: ExecOptions,
}

/// Runs the command, with its streams on the host's.
pub(crate) fn execute(exec: Exec, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let command = Command::from_words(exec.command).map_err(Failure::argument)?;
    let mut request = ExecRequest::new(command);
    let options = exec.exec.make_out()?;
    request.timeout = options.timeout;
    request.cwd = options.cwd;
    request.env = options.env;
    request.user = options.user;
    request.stdin = options.stdin;
    request.return_diff = exec.diff;
    let workspace = exec.which.find(pyro)?;
    let ended = wait::block_on(follow::follow(ui, || workspace.start_exec(request)))?;
    let Some(result) = ended else {
        return Ok(Exit::Guest(ErrorCode::Cancelled.exit_status()));
    };
    ui.warnings(&result.warnings);
    if ui.form() == Form::Json {
        ui.result(&result, |_| String::new())?;
    } else {
        if let Some(diff) = &result.diff {
            diffstat::show(diff, ui);
        }
        ui.summary(&summary(&result));
    }
    Ok(Exit::of_guest(result.exit_code))
}

/// The line about a command for people.
fn summary(result: &WorkspaceExec) -> String {
    let end = format::end(&End {
        outcome: result.outcome,
        exit_code: result.exit_code,
        signal: result.signal,
        oom_killed: result.oom_killed,
        duration_ms: result.duration_ms,
    });
    let tier = match (result.isolation, result.vmm) {
        (Some(isolation), Some(vmm)) => format!(", {isolation}/{}", format::name(vmm)),
        _ => String::new(),
    };
    format!(
        "workspace {} #{}: {end}{tier}",
        result.workspace_id, result.sequence
    )
}
