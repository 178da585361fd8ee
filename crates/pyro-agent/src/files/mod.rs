//! The files of the workspace.

mod changes;
mod export;
mod list;
mod put;
mod read;
mod tree;
mod write;

use std::rc::Rc;

use pyro_proto::message::{FaultKind, Verb};

pub(crate) use self::tree::Tree;
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// Answers a request about files.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(crate) async fn answer(
    verb: Verb,
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    match verb {
        Verb::ListFiles => list::answer(asks, reply, agent).await,
        Verb::ReadFile => read::answer(asks, reply, agent).await,
        Verb::WriteFile => write::answer(asks, reply, agent).await,
        Verb::Changes => changes::answer(asks, reply, agent).await,
        Verb::Export => export::answer(asks, reply, agent).await,
        Verb::Put => put::answer(asks, reply, agent).await,
        Verb::Ping | Verb::Configure | Verb::Exec | Verb::Signal | Verb::PowerOff => Err(fault(
            FaultKind::Unsupported,
            format!("`{}` is not about files", verb.name()),
        )
        .into()),
    }
}
