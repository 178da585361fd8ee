//! `pyro run`: one command in a VM of its own.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use pyro::argument::{self, DEFAULT_VM_TTL};
use pyro::object::VmExec;
use pyro::{Command, ErrorCode, Pyro, Result, RunRequest};

use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::{self, End};
use crate::option::{ExecOptions, SizeOptions, TierOptions, whole_number};
use crate::ui::{Form, Ui};
use crate::{follow, wait};

/// Run one command in a VM of its own
///
/// The VM starts from ENV, runs the command and is gone. Several words after `--` are a program and its arguments,
/// passed on untouched; a single word is a string for /bin/sh. The exit status is the command's own, 124 if its time
/// was up, 125 if pyro could not run it, and 130 if it was interrupted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro run debian:12 -- git --version\n  pyro run -- 'echo one; echo two >&2'\n  \
                  tar c src | pyro run debian:12-build -i --timeout-seconds 600 -- 'tar x && make -C src'"
)]
pub(crate) struct Run {
    /// Environment to start from [default: $PYRO_ENVIRONMENT, else debian:12]
    #[arg(value_name = "ENV", add = complete::environments())]
    environment: Option<String>,

    /// Command to run, after `--`
    #[arg(value_name = "CMD", last = true, required = true)]
    command: Vec<OsString>,

    /// Remove the VM after this many idle seconds, 60–604800; a running command is not idle
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_VM_TTL.as_secs(),
        value_parser = whole_number,
        allow_negative_numbers = true,
    )]
    ttl_seconds: u64,

    #[command(flatten)]
    size: SizeOptions,

    #[command(flatten)]
    tier: TierOptions,

    #[command(flatten)]
    exec: ExecOptions,
}

/// Runs the command, with its streams on the host's.
pub(crate) fn execute(run: Run, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let request = request(run, pyro)?;
    let ended = wait::block_on(follow::follow(ui, || pyro.start_run(request)))?;
    let Some(result) = ended else {
        return Ok(Exit::Guest(ErrorCode::Cancelled.exit_status()));
    };
    ui.warnings(&result.warnings);
    if ui.form() == Form::Json {
        ui.result(&result, |_| String::new())?;
    } else {
        ui.summary(&summary(&result));
    }
    Ok(Exit::of_guest(result.exit_code))
}

fn request(run: Run, pyro: &Pyro) -> Result<RunRequest> {
    let mut request = RunRequest::new(Command::from_words(run.command).map_err(Failure::argument)?);
    request.environment = run.environment;
    request.resources = run
        .size
        .resources(pyro.host_memory_mib())
        .map_err(Failure::argument)?;
    request.isolation = run.tier.isolation;
    let ttl = argument::in_range("ttl_seconds", run.ttl_seconds, &argument::TTL_SECONDS)
        .map_err(Failure::argument)?;
    request.ttl = Duration::from_secs(ttl);
    let exec = run.exec.make_out()?;
    request.timeout = exec.timeout;
    request.cwd = exec.cwd;
    request.env = exec.env;
    request.user = exec.user;
    request.stdin = exec.stdin;
    Ok(request)
}

/// The line about a run for people.
fn summary(result: &VmExec) -> String {
    let end = format::end(&End {
        outcome: result.outcome,
        exit_code: result.exit_code,
        signal: result.signal,
        oom_killed: result.oom_killed,
        duration_ms: result.duration_ms,
    });
    let boot = format::seconds(result.boot_ms);
    let (isolation, vmm) = (result.isolation, format::name(result.vmm));
    format!("vm {}: {end} (boot {boot}), {isolation}/{vmm}", result.vm_id)
}
