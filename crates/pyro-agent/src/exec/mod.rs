//! Commands: started at most once each, followed by at most one call at a time, found again after a broken connection.
//!
//! ```text
//!  call (follow) ──▶ Command ◀── supervise ── child process, pipes, cgroup
//!   dies with its     shared       lives as long as
//!   connection        state        the command
//! ```

pub(crate) mod cgroup;
mod command;
mod environment;
mod follow;
mod output;
mod plan;
pub(crate) mod registry;
mod spawn;
mod stdin;
mod supervise;
mod user;

use std::rc::Rc;

use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, FaultKind};

use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};
use plan::Plan;

/// Answers an `exec` call: starts a command or finds it again, and follows it to its end.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn answer(asks: &mut Asks, reply: &mut Reply, agent: &Rc<Agent>) -> Result<(), CallError> {
    let (command, attach) = match asks.next(0).await? {
        Some(Ask::Exec(exec)) => {
            let machine = agent.machine()?;
            let id = exec.request_id.clone();
            let command = match agent.commands.find(&id) {
                Some(command) => command,
                None => agent.commands.start(id.clone(), Plan::try_from(exec)?, machine)?,
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
        Some(Ask::Attach(attach)) => {
            let command = agent.commands.find(&attach.request_id).ok_or_else(|| {
                fault(
                    FaultKind::UnknownCommand,
                    format!("no command `{}` is known", attach.request_id),
                )
            })?;
            (command, attach)
        }
        _ => return Err(fault(FaultKind::InvalidArgument, "the request names no command").into()),
    };
    follow::follow(&command, &attach, asks, reply).await
}
