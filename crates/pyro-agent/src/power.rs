//! The end of the machine.

use std::io;
use std::time::Duration;

use pyro_proto::message::Done;
use pyro_proto::message::agent_message::Body as Answer;
use rustix::mount::MountFlags;
use tokio::io::Interest;

use crate::agent::Agent;
use crate::call::{CallError, Reply};
use crate::log;
use crate::setup::{Machine, Place, mounts};

/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(3);

/// From KILL to the end.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Ends the workload, writes everything to disk, answers, and lets the machine end.
///
/// # Errors
/// Never before the machine is bound to end; that the answer could not be sent.
pub(crate) async fn off(reply: &mut Reply<'_>, agent: &Agent) -> Result<(), CallError> {
    agent.commands.close();
    if let Ok(machine) = &agent.machine {
        stop(machine).await;
    }
    let answered = reply.finish(Answer::Done(Done {})).await;
    agent.is_off.send_replace(true);
    answered
}

async fn stop(machine: &Machine) {
    let commands = &machine.groups;
    if let Err(error) = commands.signal(libc::SIGTERM) {
        log::error(&format!("cannot stop the commands: {error}"));
    }
    // Whether they are gone or not, the next step ends them.
    drop(tokio::time::timeout(GRACE, commands.emptied()).await);
    match &machine.place {
        Place::Guest { .. } => stop_guest(machine).await,
        Place::Host(directory) => {
            if let Err(error) = commands.kill().await {
                log::error(&format!("cannot kill the commands: {error}"));
            }
            if let Err(error) = directory.sync() {
                log::error(&format!("cannot write everything to disk: {error}"));
            }
        }
    }
}

async fn stop_guest(machine: &Machine) {
    match tokio::time::timeout(LAST_WAIT, end_workload(machine)).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => log::error(&format!("cannot end the workload: {error}")),
    }
    // Leaves a clean journal where no process is in the way; otherwise the next mount replays it.
    let _ = rustix::mount::mount_remount(mounts::DISK, MountFlags::RDONLY, c"");
    rustix::fs::sync();
}

async fn end_workload(machine: &Machine) -> io::Result<()> {
    if let Some(init) = machine.workload.kill()? {
        crate::sys::watch(init, Interest::READABLE)?
            .readable()
            .await?
            .retain_ready();
    }
    Ok(())
}
