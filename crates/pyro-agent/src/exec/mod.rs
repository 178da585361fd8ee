//! Commands: started at most once each, followed by at most one call at a time, found again after a broken connection.
//!
//! ```text
//!  call (follow) ──▶ Command ◀── supervise ── child process, pipes, group
//!   dies with its     shared       lives as long as
//!   connection        state        the command
//! ```

pub(crate) mod cgroup;
mod command;
pub(crate) mod environment;
mod executable;
mod follow;
pub(crate) mod group;
mod output;
pub(crate) mod plan;
pub(crate) mod registry;
mod spawn;
mod stdin;
mod supervise;
mod sys;
pub(crate) mod user;

use std::rc::Rc;
use std::time::Duration;

use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Fault, FaultKind, Signal};

use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};
use command::Command;
use plan::Plan;

/// The largest signal number (signal(7), `SIGRTMAX`).
const LAST_SIGNAL: i32 = 64;

/// Answers an `exec` call: starts a command or finds it again, and follows it to its end.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let (command, attach) = match asks.next().await? {
        Some(Ask::Exec(exec)) => {
            let machine = agent.machine()?;
            let id = exec.request_id.clone();
            let command = match agent.commands.find(&id) {
                Some(command) => command,
                None => {
                    let plan = Plan::try_from(exec)?;
                    if !plan.is_rehearsal {
                        agent.opened.release();
                    }
                    agent.commands.start(id.clone(), plan, machine)?
                }
            };
            (
                command,
                Attach {
                    request_id: id,
                    stdout_offset: 0,
                    stderr_offset: 0,
                },
            )
        }
        Some(Ask::Attach(attach)) => (known(agent, &attach.request_id)?, attach),
        _ => return Err(fault(FaultKind::InvalidArgument, "the request names no command").into()),
    };
    follow::follow(&command, &attach, asks, reply).await
}

/// Answers a `signal` call, except for the final [`Done`](pyro_proto::message::Done).
///
/// # Errors
/// [`CallError`].
pub(crate) async fn signal(signal: Signal, agent: &Agent) -> Result<(), CallError> {
    let command = known(agent, &signal.request_id)?;
    follow::started(&command).await?;
    match signal.number {
        0 => command.cancel(Duration::from_millis(signal.grace_ms)),
        number @ 1..=LAST_SIGNAL => command.signal(number),
        number => {
            return Err(fault(FaultKind::InvalidArgument, format!("there is no signal {number}")).into());
        }
    }
    Ok(())
}

fn known(agent: &Agent, id: &str) -> Result<Rc<Command>, Fault> {
    let unknown = || fault(FaultKind::UnknownCommand, format!("no command `{id}` is known"));
    agent.commands.find(id).ok_or_else(unknown)
}
