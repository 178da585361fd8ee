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

/// How many batches of messages may wait for the thread that stages them.
const WAITING: usize = 4;

/// How much content is passed on at once, in bytes.
const BATCH_BYTES: usize = 128 * 1024;

/// What a message counts beside its content, in bytes.
const MESSAGE_BYTES: usize = 256;

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

/// Passes the messages on, up to the commit or until nobody wants any more of them; those that are there at once, together.
async fn pass_on(asks: &mut Asks, messages: mpsc::Sender<Vec<Ask>>) -> Result<(), CallError> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    loop {
        let next = tokio::select! {
            biased;
            next = asks.next() => Some(next?),
            () = std::future::ready(()), if !batch.is_empty() => None,
        };
        let (is_last, is_full) = match next {
            Some(Some(ask)) => {
                bytes += MESSAGE_BYTES + content_length(&ask);
                let is_last = matches!(ask, Ask::PutCommit(_));
                batch.push(ask);
                (is_last, is_last || bytes >= BATCH_BYTES)
            }
            Some(None) => {
                return Err(fault(FaultKind::InvalidArgument, "the request ends without a commit").into());
            }
            None => (false, true),
        };
        if is_full {
            bytes = 0;
            let wanted = messages.send(std::mem::take(&mut batch)).await.is_ok();
            if is_last || !wanted {
                return Ok(());
            }
        }
    }
}

fn content_length(ask: &Ask) -> usize {
    match ask {
        Ask::Data(data) => data.len(),
        _ => 0,
    }
}

fn receive(
    tree: Arc<Tree>,
    dest: &[u8],
    mut received: mpsc::Receiver<Vec<Ask>>,
    tell: oneshot::Sender<Result<PutResult, Fault>>,
) {
    let mut staging = match Staging::begin(tree, dest) {
        Ok(staging) => staging,
        Err(refusal) => return drop(tell.send(Err(refusal))),
    };
    let outcome = loop {
        // The call was broken off otherwise, and nobody is left to tell.
        let Some(batch) = received.blocking_recv() else {
            return;
        };
        let taken = batch
            .into_iter()
            .find_map(|ask| take(&mut staging, ask).transpose());
        match taken {
            None => {}
            Some(outcome) => break outcome,
        }
    };
    // What is left in the stage is removed once the host is told.
    drop(tell.send(outcome));
    drop(staging);
}

/// Takes a message; the last one has an outcome.
fn take(staging: &mut Staging, ask: Ask) -> Result<Option<PutResult>, Fault> {
    match ask {
        Ask::PutEntry(entry) => staging.entry(entry)?,
        Ask::Data(data) => staging.data(&data)?,
        Ask::DataEnd(_) => staging.end_data()?,
        Ask::PutCommit(last) => return commit(staging, last.dry_run).map(Some),
        _ => {
            return Err(fault(
                FaultKind::InvalidArgument,
                "a message is none of what is put",
            ));
        }
    }
    Ok(None)
}
