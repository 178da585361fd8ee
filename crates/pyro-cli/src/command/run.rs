//! `pyro run`: one command in a VM of its own.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use clap::Args;
use pyro::argument::{self, DEFAULT_VM_TTL};
use pyro::object::{ExecOutcome, VmExec};
use pyro::{Command, ErrorCode, Pyro, Result, RunControl, RunEvent, RunRequest};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::option::{ExecOptions, SizeOptions, TierOptions, whole_number};
use crate::output::{Chunk, Output};
use crate::progress::Progress;
use crate::ui::{Form, Ui};
use crate::wait::{self, Request, Signals};

/// How long a command may go on after the first Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// How long after that its last output may take: 2 s from TERM to KILL, and a little.
const LAST_OUTPUT: Duration = Duration::from_secs(3);

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
    #[arg(value_name = "ENV")]
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

/// How long the last output may take to be written, once the user has given the run up.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Runs the command, with its streams on the host's.
pub(crate) fn execute(run: Run, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let request = request(run, pyro)?;
    let ended = wait::block_on(follow(pyro, request, ui))?;
    let Some(result) = ended else {
        return Ok(Exit::Guest(ErrorCode::Cancelled.exit_status()));
    };
    ui.warnings(&result.warnings);
    if ui.form() == Form::Json {
        ui.result(&result, |_| String::new())?;
    } else {
        ui.summary(&summary(&result));
    }
    Ok(Exit::of_guest(&result))
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
    run.exec.apply(&mut request)?;
    Ok(request)
}

/// Follows a run to its end. There is no result to show if nobody reads standard output any more.
async fn follow(pyro: &Pyro, request: RunRequest, ui: Ui) -> Result<Option<VmExec>> {
    let signals = Signals::listen()?;
    let output = Output::start(ui.raw_streams()?)?;
    let mut run = pyro.start_run(request);
    let control = run.control();
    let (gave_up, giving_up) = watch::channel(false);

    let mut steer = std::pin::pin!(steer(signals, &control, &gave_up));
    let reader_left = async {
        output.watch().closed().await;
        control.cancel();
        std::future::pending::<Infallible>().await
    };
    let show = async {
        let mut progress = ui.progress();
        while let Some(event) = run.next_event().await {
            show(event, &output, &mut progress, ui.form(), &giving_up).await;
        }
        drop(progress);
        run.finish().await
    };
    let result = tokio::select! {
        result = show => result,
        never = reader_left => match never {},
        never = &mut steer => match never {},
    };
    tokio::select! {
        concluded = conclude(result, output, giving_up) => concluded,
        never = steer => match never {},
    }
}

/// Turns signals into requests to the run, the second and later ones more urgent than the first.
async fn steer(mut signals: Signals, control: &RunControl, gave_up: &watch::Sender<bool>) -> Infallible {
    if signals.next().await == Request::Interrupt {
        control.interrupt(GRACE);
        tokio::select! {
            _ = signals.next() => {}
            () = sleep(GRACE + LAST_OUTPUT) => {}
        }
    }
    control.cancel();
    gave_up.send_replace(true);
    loop {
        signals.next().await;
        control.cancel();
    }
}

/// Passes an event on. Output that its reader does not take is dropped once the user has given the run up.
async fn show(
    event: RunEvent,
    output: &Output,
    progress: &mut Progress,
    form: Form,
    giving_up: &watch::Receiver<bool>,
) {
    progress.run(&event);
    let chunk = match event {
        RunEvent::Stdout(bytes) => Chunk::Stdout(bytes),
        RunEvent::Stderr(bytes) => Chunk::Stderr(bytes),
        _ => return,
    };
    if form == Form::Human {
        unless_given_up(output.write(chunk), giving_up.clone()).await;
    }
}

/// Waits for the last of the output, and decides between the run's own end and a failure to show it.
async fn conclude(
    result: Result<VmExec>,
    output: Output,
    giving_up: watch::Receiver<bool>,
) -> Result<Option<VmExec>> {
    let mut finish = std::pin::pin!(output.finish());
    let written = match unless_given_up(&mut finish, giving_up).await {
        Some(written) => Some(written),
        None => timeout(LAST_WRITE, finish).await.ok(),
    };
    match written {
        Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Some(Err(error)) => Err(Failure::host("cannot write to standard output")(error).into()),
        Some(Ok(())) => result.map(Some),
        // The command ended, but the user would not wait until its output was read.
        None => result.map(|result| Some(result).filter(|result| result.cancelled)),
    }
}

async fn unless_given_up<T>(
    work: impl Future<Output = T>,
    mut giving_up: watch::Receiver<bool>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        // An error means that nothing can give up any more, and then the work decides.
        Ok(_) = giving_up.wait_for(|gave_up| *gave_up) => None,
    }
}

/// The line about a run for people.
fn summary(result: &VmExec) -> String {
    let code = result.exit_code.unwrap_or_default();
    let took = format::seconds(result.duration_ms);
    let end = match result.outcome {
        ExecOutcome::Exited => format!("exit {code} in {took}"),
        ExecOutcome::Signaled => {
            let signal = result.signal.unwrap_or(code - 128);
            format!("ended by signal {signal}, exit {code} in {took}")
        }
        ExecOutcome::NotStarted if code == 126 => format!("its program cannot be executed, exit {code}"),
        ExecOutcome::NotStarted => format!("its program was not found, exit {code}"),
        ExecOutcome::TimedOut => format!("its time was up after {took}, exit {code}"),
        ExecOutcome::Cancelled => format!("cancelled after {took}, exit {code}"),
        _ => format!("{}, exit {code} in {took}", format::name(result.outcome)),
    };
    let memory = if result.oom_killed { ", out of memory" } else { "" };
    let boot = format::seconds(result.boot_ms);
    let (isolation, vmm) = (result.isolation, format::name(result.vmm));
    format!(
        "vm {}: {end}{memory} (boot {boot}), {isolation}/{vmm}",
        result.vm_id
    )
}
