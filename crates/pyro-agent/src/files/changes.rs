//! `changes`: what differs from the baseline, and both sides of it.

use std::rc::Rc;
use std::sync::Arc;

use pyro_proto::file::{Changes, Fetch, FileChange, FileChanges};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Done, FaultKind};
use tokio::sync::mpsc;

use super::byte_path;
use super::compare::{Comparison, Stride};
use super::fetch::fetch;
use super::outlet::{self, Outlet, Stop};
use super::tree::Tree;
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// How many fetches may wait for those before them.
const WAITING: usize = 64;

/// How long the paths in one message may be together, in bytes.
const BATCH_BYTES: usize = 32 * 1024;

/// What a change takes beside its path, at most, in bytes.
const CHANGE_BYTES: usize = 48;

/// Answers the call: the changes, then what is fetched, until the host has no more to ask.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let tree = agent.tree()?;
    let Some(Ask::Changes(Changes { path })) = asks.next().await? else {
        return Err(fault(FaultKind::InvalidArgument, "the request holds no comparison").into());
    };
    byte_path::check(&path)?;
    let (wants, mut wanted) = mpsc::channel(WAITING);
    let give = outlet::stream(reply, move |outlet| {
        send_changes(&tree, &path, outlet)?;
        outlet.send(Answer::Done(Done {}))?;
        send_fetched(&tree, &mut wanted, outlet)
    });
    tokio::try_join!(pass_on(asks, wants), give)?;
    reply.finish(Answer::Done(Done {})).await
}

async fn pass_on(asks: &mut Asks, wants: mpsc::Sender<Fetch>) -> Result<(), CallError> {
    while let Some(ask) = asks.next().await? {
        let Ask::Fetch(fetch) = ask else {
            return Err(fault(
                FaultKind::InvalidArgument,
                "a comparison is followed by fetches alone",
            )
            .into());
        };
        byte_path::check(&fetch.path)?;
        if wants.send(fetch).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn send_changes(tree: &Arc<Tree>, within: &[u8], outlet: &mut Outlet) -> Result<(), Stop> {
    // Nothing of what is put meanwhile is seen, or all of it.
    let _undisturbed = tree.lock.blocking_read();
    let mut comparison = Comparison::new(tree, within)?;
    let mut batch = Batch::default();
    loop {
        match comparison.step()? {
            Stride::Change(change) => batch.add(change, outlet)?,
            Stride::Nothing => outlet.check()?,
            Stride::End => return batch.flush(outlet),
        }
    }
}

fn send_fetched(
    tree: &Arc<Tree>,
    wanted: &mut mpsc::Receiver<Fetch>,
    outlet: &mut Outlet,
) -> Result<(), Stop> {
    loop {
        let next = match wanted.try_recv() {
            Ok(want) => Some(want),
            // The host may ask for more only once it has what it asked for.
            Err(_) => {
                outlet.flush()?;
                wanted.blocking_recv()
            }
        };
        match next {
            Some(want) => fetch(tree, &want, outlet)?,
            None => return Ok(()),
        }
    }
}

/// Changes that are sent together.
#[derive(Debug, Default)]
struct Batch {
    changes: Vec<FileChange>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, change: FileChange, outlet: &mut Outlet) -> Result<(), Stop> {
        self.bytes += change.path.len() + CHANGE_BYTES;
        self.changes.push(change);
        if self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.flush(outlet)
    }

    fn flush(&mut self, outlet: &mut Outlet) -> Result<(), Stop> {
        self.bytes = 0;
        if self.changes.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.changes);
        outlet.send(Answer::FileChanges(FileChanges { changes }))
    }
}
