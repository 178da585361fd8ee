//! `pyro run`: one command in a VM of its own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use pyro::argument::{self, DEFAULT_VM_TTL};
use pyro::object::VmExec;
use pyro::{Command, ErrorCode, ExportRequest, Pyro, Result, RunRequest};

use super::workspace::{export, guest_path};
use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::{self, End};
use crate::option::{ExecOptions, SeedOptions, SizeOptions, TierOptions, whole_number};
use crate::table::escaped;
use crate::ui::{Form, Ui};
use crate::{diffstat, follow, host_path, wait};

/// Run one command in a VM of its own
///
/// The VM starts from ENV, runs the command and is gone. Several words after `--` are a program and its arguments,
/// passed on untouched; a single word is a string for /bin/sh. The exit status is the command's own, 124 if its time
/// was up, 125 if pyro could not run it, and 130 if it was interrupted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro run debian:12 -- git --version\n  pyro run -- 'echo one; echo two >&2'\n  \
                  tar c src | pyro run debian:12-build -i --timeout-seconds 600 -- 'tar x && make -C src'\n  \
                  pyro run debian:12-build --seed-path . --diff --export build/app=app -- make"
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

    /// Bring something out of /workspace when the command has ended, to a path of this host where nothing is; may be
    /// given several times
    #[arg(long = "export", value_name = "GUEST=HOST")]
    exports: Vec<OsString>,

    /// Say what the command changed in /workspace; in `--json` with the patch
    #[arg(long)]
    diff: bool,

    #[command(flatten)]
    seed: SeedOptions,

    #[command(flatten)]
    size: SizeOptions,

    #[command(flatten)]
    tier: TierOptions,

    #[command(flatten)]
    exec: ExecOptions,
}

/// Runs the command, with its streams on the host's.
pub(crate) fn execute(run: Run, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    follow_to_end(request(run, pyro)?, pyro, ui)
}

/// Runs a program in the default environment, with everything else at its default.
pub(super) fn probe(words: &[&str], tier: &TierOptions, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let words = words.iter().map(OsString::from).collect();
    let mut request = RunRequest::new(Command::from_words(words).map_err(Failure::argument)?);
    request.isolation = tier.isolation;
    request.allow_host_compat = tier.allow_host_compat;
    follow_to_end(request, pyro, ui)
}

fn follow_to_end(request: RunRequest, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let ended = wait::block_on(follow::follow(ui, || pyro.start_run(request)))?;
    let Some(result) = ended else {
        return Ok(Exit::Guest(ErrorCode::Cancelled.exit_status()));
    };
    ui.warnings(&result.warnings);
    if ui.form() == Form::Json {
        ui.result(&result, |_| String::new())?;
    } else {
        show_tree(&result, ui);
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
    request.allow_host_compat = run.tier.allow_host_compat;
    let ttl = argument::in_range("ttl_seconds", run.ttl_seconds, &argument::TTL_SECONDS)
        .map_err(Failure::argument)?;
    request.ttl = Duration::from_secs(ttl);
    let exec = run.exec.make_out()?;
    request.timeout = exec.timeout;
    request.cwd = exec.cwd;
    request.env = exec.env;
    request.user = exec.user;
    request.stdin = exec.stdin;
    request.seed_path = run.seed.source()?;
    request.include_ignored = run.seed.include_ignored;
    request.exports = run
        .exports
        .iter()
        .map(|given| exported(given))
        .collect::<Result<_>>()?;
    request.return_diff = run.diff;
    Ok(request)
}

/// What became of the tree. Standard output is the guest's own, so this goes to the other stream.
fn show_tree(result: &VmExec, ui: Ui) {
    ui.warnings(&guest_path::skipped(
        result.skipped.as_deref().unwrap_or_default(),
    ));
    if let Some(diff) = &result.diff {
        diffstat::show(diff, ui);
    }
    for exported in result.exports.iter().flatten() {
        ui.warnings(&exported.warnings);
        ui.warnings(&guest_path::skipped(&exported.skipped));
        ui.summary(export::text(exported).trim_end());
    }
}

/// Splits `GUEST=HOST` at the first `=`.
fn exported(given: &OsStr) -> Result<ExportRequest> {
    let bytes = given.as_bytes();
    let hint = "pass `--export GUEST=HOST`, as in `--export build/app=app`";
    let Some(split) = bytes.iter().position(|byte| *byte == b'=') else {
        let given = escaped(&given.to_string_lossy());
        return Err(Failure::invalid(format!("`--export` must be GUEST=HOST: `{given}`"), hint).into());
    };
    let (guest, host) = (&bytes[..split], &bytes[split + 1..]);
    if guest.is_empty() || host.is_empty() {
        let given = escaped(&given.to_string_lossy());
        let problem = "needs a path on both sides of `=`";
        return Err(Failure::invalid(format!("`--export` {problem}: `{given}`"), hint).into());
    }
    let path = guest_path::parse(OsStr::from_bytes(guest))?;
    let output = host_path::absolute("--export", Path::new(OsStr::from_bytes(host)))?;
    Ok(ExportRequest::new(path, output))
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
