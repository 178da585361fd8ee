//! `list-files`: a directory, or all that is beneath it, in pages.

use std::ffi::OsStr;
use std::rc::Rc;
use std::sync::Arc;

use prost::Message;
use pyro_proto::file::{FileEntries, FileEntry, ListEnd, ListFiles};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::OFlags;
use tokio::sync::mpsc::{self, Sender};

use super::path::TreePath;
use super::resolve::{self, LastLink};
use super::tree::Tree;
use super::walk::Walk;
use super::{entry, job, refusal};
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// Entries are sent once they take as much, in bytes. One of them takes less than nine thousand.
const MESSAGE_BYTES: usize = 32 * 1024;

/// How many messages may wait for the host.
const MESSAGES: usize = 16;

/// Answers the call.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let Some(Ask::ListFiles(request)) = asks.next().await? else {
        return Err(fault(FaultKind::InvalidArgument, "the request names no directory").into());
    };
    let tree = agent.tree()?;
    let (messages, mut ready) = mpsc::channel(MESSAGES);
    let listing = job::run(move |_| list(&tree, request, &messages));
    let sending = async {
        while let Some(entries) = ready.recv().await {
            reply.send(Answer::FileEntries(entries)).await?;
        }
        Ok::<_, CallError>(())
    };
    let listing = async { Ok(listing.await?) };
    let (more, ()) = tokio::try_join!(listing, sending)?;
    reply.finish(Answer::ListEnd(ListEnd { more })).await
}

/// Lists a directory into messages; true if there is more behind what was asked for.
fn list(tree: &Arc<Tree>, request: ListFiles, messages: &Sender<FileEntries>) -> Result<bool, Fault> {
    let path = TreePath::parse(request.path)?;
    let after = TreePath::parse(request.after)?;
    let after = names_below(&path, &after)?;
    let mut lock = Some(tree.lock.blocking_read());
    let found = resolve::find(tree, &path, LastLink::Follow)?;
    if !found.is_directory() {
        return Err(refusal::wrong_kind(&path, entry::kind(&found.stat)));
    }
    let directory = found.open(OFlags::RDONLY | OFlags::DIRECTORY);
    let directory = directory.map_err(|error| refusal::failed("read", &path, error))?;
    let mut walk = Walk::new(directory, &path, request.recursive, &after);
    let mut left = match request.limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let mut batch = Batch::default();
    // One more than is wanted tells whether there is more.
    while let Some(entry) = walk.next(left.saturating_add(1)) {
        if left == 0 {
            batch.send(messages);
            return Ok(true);
        }
        left -= 1;
        batch.push(entry);
        if batch.bytes < MESSAGE_BYTES {
            continue;
        }
        if messages.capacity() == 0 {
            // A host that does not read must not keep others from writing.
            lock = None;
        }
        if !batch.send(messages) {
            return Ok(false);
        }
        lock.get_or_insert_with(|| tree.lock.blocking_read());
    }
    batch.send(messages);
    Ok(false)
}

/// The names by which a path is beneath another; none of an empty path.
fn names_below<'a>(path: &TreePath, after: &'a TreePath) -> Result<Vec<&'a OsStr>, Fault> {
    if after.is_root() {
        return Ok(Vec::new());
    }
    let mut names = after.names();
    if path.names().all(|name| names.next() == Some(name)) {
        return Ok(names.collect());
    }
    Err(fault(
        FaultKind::InvalidArgument,
        format!("`{after}` is not in `{path}`"),
    ))
}

/// Entries that go into one message.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<FileEntry>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, entry: FileEntry) {
        self.bytes += entry.encoded_len();
        self.entries.push(entry);
    }

    /// False if nobody waits for it.
    fn send(&mut self, messages: &Sender<FileEntries>) -> bool {
        let Self { entries, .. } = std::mem::take(self);
        entries.is_empty() || messages.blocking_send(FileEntries { entries }).is_ok()
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
