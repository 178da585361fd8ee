//! The life of one command, from its start until its last process is gone.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use pyro_proto::message::{Ended, FaultKind, Outcome};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep, timeout};

use super::command::{Command, Phase};
use super::group::{Group, Groups};
use super::output;
use super::plan::Plan;
use super::registry::End;
use super::spawn::{self, SpawnError, Spawned};
use crate::call::fault;
use crate::log;
use crate::setup::{Machine, Place};
use crate::sys;
use crate::workload::{Root, Workload};

/// How long the output of a command stays open after its end, when other processes hold it.
const LINGER: Duration = Duration::from_secs(1);

/// How long killed processes may take to disappear before they are counted.
const REAPING: Duration = Duration::from_secs(1);

/// When a command has to end.
#[derive(Debug, Clone, Copy)]
struct Limit {
    timeout: Option<Duration>,
    grace: Duration,
}

/// A command's process and pipes.
#[derive(Debug)]
struct Running {
    /// Its id in the workload's pid namespace.
    pid: u32,
    process: AsyncFd<OwnedFd>,
    stdout: Receiver,
    stderr: Receiver,
    started: Instant,
}

/// Starts a command and stays with it. `note` is called once, when it has ended or was refused.
pub(crate) async fn supervise(command: &Command, plan: Plan, machine: &Machine, note: impl FnOnce(End)) {
    let limit = Limit {
        timeout: plan.timeout,
        grace: plan.grace,
    };
    // It holds everything else up for as long as it takes; nobody asks for it in a machine that is in use.
    let stage = plan.is_rehearsal.then(|| rehearse(machine)).transpose();
    let stage = match stage {
        Ok(stage) => stage,
        Err(error) => return not_started(command, error, note),
    };
    let workload = stage.as_ref().unwrap_or(&machine.workload);
    let (running, group) = match begin(command, plan, workload, &machine.groups).await {
        Ok(begun) => begun,
        Err(error) => {
            let was_rehearsed = stage.is_some();
            leave(stage).await;
            if was_rehearsed {
                settle();
            }
            return not_started(command, error, note);
        }
    };
    let pid = running.pid;
    command.hold(Rc::clone(&group));
    command.enter(Phase::Running { pid });
    let ended = running.run(command, limit, &group).await;
    let tell = || {
        command.stdin.close();
        command.enter(Phase::Ended { pid, ended });
        note(End::Ended);
    };
    if stage.is_some() {
        // Whoever learns of its end may save the machine at once.
        leave(stage).await;
        clean_up(command, group, machine).await;
        settle();
        return tell();
    }
    tell();
    // The host learns of the end first: in most VMs nothing comes after it.
    tokio::task::yield_now().await;
    tokio::join!(
        output::discard(&running.stdout),
        output::discard(&running.stderr),
        clean_up(command, group, machine)
    );
}

/// Starts the process of a command; a failure leaves neither that nor a cgroup behind.
async fn begin(
    command: &Command,
    plan: Plan,
    workload: &Workload,
    groups: &Groups,
) -> Result<(Running, Rc<Group>), SpawnError> {
    let group = Rc::new(groups.take(&command.id).map_err(internal)?);
    let spawned = match start(plan, &group, workload).await {
        Ok(spawned) => spawned,
        Err(error) => {
            give_back(group, groups);
            return Err(error);
        }
    };
    match Running::new(spawned, command) {
        Ok(running) => Ok((running, group)),
        Err(error) => {
            // It must not run unsupervised.
            drop(group.kill().await);
            Err(internal(error))
        }
    }
}

async fn start(plan: Plan, group: &Group, workload: &Workload) -> Result<Spawned, SpawnError> {
    let birth = group.birth().map_err(internal)?;
    workload
        .run(move |outside| spawn::spawn(plan, &birth, outside))
        .await
        .map_err(internal)?
}

/// A stage of its own, of which nothing remains.
fn rehearse(machine: &Machine) -> Result<Workload, SpawnError> {
    match machine.place {
        Place::Guest { .. } => Workload::enter(Root::Rehearsal).map_err(internal),
        Place::Host(_) => Err(fault(
            FaultKind::Unsupported,
            "a command on the host leaves what it leaves",
        )
        .into()),
    }
}

fn internal(error: impl std::fmt::Display) -> SpawnError {
    fault(FaultKind::Internal, format!("cannot start a process: {error}")).into()
}

/// Ends the stage of a rehearsal, with all that was left there.
async fn leave(stage: Option<Workload>) {
    if let Some(stage) = stage
        && let Err(error) = stage.end().await
    {
        log::error(&format!("cannot end a rehearsal: {error}"));
    }
}

/// Brings to an end what the machine would do by itself later on, and so in each that is restored from it.
fn settle() {
    // The disk's journal has a transaction since it was mounted.
    rustix::fs::sync();
}

fn not_started(command: &Command, error: SpawnError, note: impl FnOnce(End)) {
    match error {
        SpawnError::Refused(fault) => {
            note(End::Refused);
            command.enter(Phase::Refused(fault));
        }
        SpawnError::NotStarted { status, message } => {
            note(End::Ended);
            let ended = Ended {
                outcome: Outcome::NotStarted.into(),
                status,
                message,
                ..Ended::default()
            };
            command.enter(Phase::Ended { pid: 0, ended });
        }
    }
}

async fn clean_up(command: &Command, group: Rc<Group>, machine: &Machine) {
    if group.population() > 0 {
        // Another command may be here before this one's is to be had.
        machine.groups.keep_spare();
    }
    if let Err(error) = group.emptied().await {
        log::error(&format!("cannot watch the processes of a command: {error}"));
    }
    command.let_go();
    give_back(group, &machine.groups);
}

fn give_back(group: Rc<Group>, groups: &Groups) {
    // Whoever is signalling it is done before anything else has its turn.
    if let Some(group) = Rc::into_inner(group) {
        groups.take_back(group);
    }
}

impl Running {
    fn new(spawned: Spawned, command: &Command) -> io::Result<Self> {
        if let Some(stdin) = spawned.stdin {
            command.stdin.open(stdin)?;
        }
        Ok(Self {
            pid: spawned.pid,
            process: sys::watch(spawned.process, Interest::READABLE)?,
            stdout: Receiver::from_owned_fd(spawned.stdout)?,
            stderr: Receiver::from_owned_fd(spawned.stderr)?,
            started: Instant::now(),
        })
    }

    /// Waits for the end of the command and of its output.
    async fn run(&self, command: &Command, limit: Limit, group: &Group) -> Ended {
        let both = async {
            tokio::join!(
                command.stdout.read(&self.stdout),
                command.stderr.read(&self.stderr)
            );
            std::future::pending::<Infallible>().await
        };
        let (status, forced) = tokio::select! {
            end = self.end(command, limit, group) => end,
            never = both => match never {},
        };
        let duration = self.started.elapsed();
        let deadline = Instant::now() + LINGER;
        tokio::join!(
            command.stdout.read_rest(&self.stdout, deadline),
            command.stderr.read_rest(&self.stderr, deadline)
        );
        let (outcome, signal) = match (forced, status.and_then(|status| status.terminating_signal())) {
            (Some(forced), signal) => (forced, signal.unwrap_or(0)),
            (None, Some(signal)) => (Outcome::Signaled, signal),
            (None, None) => (Outcome::Exited, 0),
        };
        Ended {
            outcome: outcome.into(),
            status: status.and_then(|status| status.exit_status()).unwrap_or(0),
            signal,
            oom_killed: group.has_oom_kill(),
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            left_running: group.population().try_into().unwrap_or(u32::MAX),
            message: String::new(),
            stdout_bytes: command.stdout.end(),
            stderr_bytes: command.stderr.end(),
        }
    }

    /// Waits for the end of the first process; at the limit, and when asked to, brings the end of all about.
    async fn end(
        &self,
        command: &Command,
        limit: Limit,
        group: &Group,
    ) -> (Option<WaitIdStatus>, Option<Outcome>) {
        let time_is_up = async {
            match limit.timeout {
                Some(timeout) => sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let (forced, grace) = tokio::select! {
            biased;
            status = self.exited() => return (status, None),
            grace = command.cancelled() => (Outcome::Cancelled, grace),
            () = time_is_up => (Outcome::TimedOut, limit.grace),
        };
        terminate(command, grace, group).await;
        // The guest's root user may have taken it out of its cgroup.
        let first = self.process.get_ref();
        let _gone_already = rustix::process::pidfd_send_signal(first, rustix::process::Signal::KILL);
        let status = self.exited().await;
        // Killed processes vanish a moment later. What cannot be killed is counted as left running.
        drop(timeout(REAPING, group.emptied()).await);
        (status, Some(forced))
    }

    /// Waits for the first process and reaps it.
    async fn exited(&self) -> Option<WaitIdStatus> {
        loop {
            let mut ready = self.process.readable().await.ok()?;
            let id = WaitId::PidFd(std::os::fd::AsFd::as_fd(self.process.get_ref()));
            match rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(None) => ready.clear_ready(),
                Ok(status) => return status,
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(_) => return None,
            }
        }
    }
}

/// TERM to every process, and KILL to what is left after the grace.
async fn terminate(command: &Command, grace: Duration, group: &Group) {
    if let Err(error) = group.signal(libc::SIGTERM) {
        log::error(&format!("cannot signal a command: {error}"));
    }
    let mut deadline = Instant::now() + grace;
    let all_gone = group.emptied();
    tokio::pin!(all_gone);
    loop {
        tokio::select! {
            biased;
            Ok(()) = &mut all_gone => return,
            grace = command.cancelled() => deadline = deadline.min(Instant::now() + grace),
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    if let Err(error) = group.kill().await {
        log::error(&format!("cannot kill a command: {error}"));
    }
}
