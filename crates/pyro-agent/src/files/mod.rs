//! The files of the workspace.

mod access;
mod append;
mod attributes;
mod byte_path;
mod changes;
mod commit;
mod compare;
#[cfg(test)]
mod compare_tests;
mod contents;
pub(crate) mod copy;
mod descent;
mod entry;
mod export;
mod fetch;
mod held;
#[cfg(test)]
mod held_tests;
mod incoming;
mod job;
mod journal;
mod list;
#[cfg(test)]
mod look_tests;
mod make;
mod mirror;
mod names;
mod node;
mod outlet;
mod path;
mod plan;
mod put;
#[cfg(test)]
mod put_tests;
mod read;
mod refusal;
pub(crate) mod relief;
mod remove;
mod resolve;
mod same;
mod stage;
mod staging;
mod steps;
#[cfg(test)]
mod testing;
mod tree;
mod walk;
mod write;

use std::io;
use std::rc::Rc;

use pyro_proto::message::{FaultKind, Verb};

pub(crate) use self::stage::Left;
pub(crate) use self::tree::{Owner, Places, Tree};
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// Makes the tree whole after whatever ended the machine, before anybody else sees it. Gives what is left beside
/// the tree, for whose removal nobody needs to wait.
///
/// # Errors
/// When it cannot be made whole.
pub(crate) fn recover(tree: &Tree) -> io::Result<Left> {
    put::recover(tree)?;
    stage::left(&tree.stage)
}

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
