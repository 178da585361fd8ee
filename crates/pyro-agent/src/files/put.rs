//! `put`: many entries at once, all of them or none.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use pyro_proto::file::{Put, PutResult};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Fault, FaultKind};
use tokio::sync::{mpsc, oneshot};

use super::commit::commit;
use super::journal;
use super::staging::Staging;
use super::tree::Tree;
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// How many messages may wait for the thread that stages them.
const WAITING: usize = 32;

/// Answers the call. Broken off before the commit, it changes nothing.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let tree = agent.tree()?;
    let Some(Ask::Put(Put { dest })) = asks.next().await? else {
        return Err(fault(
            FaultKind::InvalidArgument,
            "the request does not say where to put",
        )
        .into());
    };
    let (messages, received) = mpsc::channel(WAITING);
    let (tell, mut told) = oneshot::channel();
    // It ends when nothing more is to be received, and removes what it staged.
    drop(tokio::task::spawn_blocking(move || {
        receive(tree, &dest, received, tell);
    }));
    let outcome = tokio::select! {
        biased;
        outcome = &mut told => outcome,
        passed = pass_on(asks, messages) => {
            passed?;
            told.await
        }
    };
    let gone = |_| fault(FaultKind::Internal, "the agent failed at this");
    let result = outcome.map_err(gone)??;
    reply.finish(Answer::PutResult(result)).await
}

/// Undoes what was being put in place when the machine ended. Nobody else may use the tree meanwhile.
///
/// # Errors
/// Those of the disk.
pub(super) fn recover(tree: &Tree) -> io::Result<()> {
    journal::roll_back(tree)
}

/// Passes the messages on, up to the commit or until nobody wants any more of them.
async fn pass_on(asks: &mut Asks, messages: mpsc::Sender<Ask>) -> Result<(), CallError> {
    while let Some(ask) = asks.next().await? {
        let is_last = matches!(ask, Ask::PutCommit(_));
        if messages.send(ask).await.is_err() || is_last {
            return Ok(());
        }
    }
    Err(fault(FaultKind::InvalidArgument, "the request ends without a commit").into())
}

fn receive(
    tree: Arc<Tree>,
    dest: &[u8],
    mut received: mpsc::Receiver<Ask>,
    tell: oneshot::Sender<Result<PutResult, Fault>>,
) {
    let mut staging = match Staging::begin(tree, dest) {
        Ok(staging) => staging,
        Err(refusal) => return drop(tell.send(Err(refusal))),
    };
    let outcome = loop {
        let taken = match received.blocking_recv() {
            Some(Ask::PutEntry(entry)) => staging.entry(entry),
            Some(Ask::Data(data)) => staging.data(&data),
            Some(Ask::DataEnd(_)) => staging.end_data(),
            Some(Ask::PutCommit(last)) => break commit(&mut staging, last.dry_run),
            Some(_) => Err(fault(
                FaultKind::InvalidArgument,
                "a message is none of what is put",
            )),
            // The call was broken off, and nobody is left to tell.
            None => return,
        };
        if let Err(refusal) = taken {
            break Err(refusal);
        }
    };
    // What is left in the stage is removed once the host is told.
    drop(tell.send(outcome));
    drop(staging);
}
