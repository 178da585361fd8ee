//! Unpacking on a thread that may wait for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::file::FileEntry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Budget, Output, Unpack, UnpackError, Unpacked};

/// How many entries and pieces of content may wait for the disk.
const QUEUE: usize = 32;

/// How long a drop waits until what was made is removed. Longer takes only what is very large, or a disk that hangs.
const REMOVAL_BOUND: Duration = Duration::from_secs(2);

/// What the thread is given.
enum Item {
    Entry(FileEntry),
    Data(Bytes),
    End,
}

/// An output that is written by another thread. Dropped, it is given up: nothing remains of it.
#[derive(Debug)]
pub(in crate::workspace) struct Unpacking {
    items: Option<mpsc::Sender<Item>>,
    work: Option<JoinHandle<Result<Unpacked, UnpackError>>>,
    cancelled: Arc<AtomicBool>,
    /// Ends when the thread has nothing more to do.
    at_work: blocking::Receiver<()>,
}

impl Unpacking {
    /// Begins an output. Must be called within a tokio runtime.
    pub(in crate::workspace) fn start(output: Output, budget: Budget) -> Self {
        let (items, queue) = mpsc::channel(QUEUE);
        let (working, at_work) = blocking::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&cancelled);
        let work = tokio::task::spawn_blocking(move || {
            let unpacked = unpack(Unpack::new(output, budget), queue, &stop);
            // Only now, when a draft that failed is gone.
            drop(working);
            unpacked
        });
        Self {
            items: Some(items),
            work: Some(work),
            cancelled,
            at_work,
        }
    }

    /// As [`Unpack::entry`].
    ///
    /// # Errors
    /// What the thread failed with, at this item or one before.
    pub(in crate::workspace) async fn entry(&mut self, entry: FileEntry) -> Result<(), UnpackError> {
        self.send(Item::Entry(entry)).await
    }

    /// As [`Unpack::data`].
    ///
    /// # Errors
    /// What the thread failed with, at this item or one before.
    pub(in crate::workspace) async fn data(&mut self, data: Bytes) -> Result<(), UnpackError> {
        self.send(Item::Data(data)).await
    }

    /// As [`Unpack::finish`].
    ///
    /// # Errors
    /// What the thread failed with.
    pub(in crate::workspace) async fn finish(mut self) -> Result<Unpacked, UnpackError> {
        self.send(Item::End).await?;
        self.outcome().await
    }

    /// Gives the output up, and waits until nothing remains of it.
    pub(in crate::workspace) async fn abandon(mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.items = None;
        if self.work.is_some() {
            let _given_up = self.outcome().await;
        }
    }

    async fn send(&mut self, item: Item) -> Result<(), UnpackError> {
        if let Some(items) = &self.items
            && items.send(item).await.is_ok()
        {
            return Ok(());
        }
        // The thread has ended before it was told to, so it has failed.
        self.items = None;
        self.outcome().await.map(|_| ())
    }

    async fn outcome(&mut self) -> Result<Unpacked, UnpackError> {
        let Some(work) = &mut self.work else {
            return Err(UnpackError::Cancelled);
        };
        let outcome = work.await;
        self.work = None;
        outcome.unwrap_or(Err(UnpackError::Cancelled))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        self.items = None;
        self.cancelled.store(true, Ordering::Relaxed);
        // The process may be about to end, and the thread with it.
        if self.work.take().is_some() {
            let _ended = self.at_work.recv_timeout(REMOVAL_BOUND);
        }
    }
}

fn unpack(
    mut unpack: Unpack,
    mut queue: mpsc::Receiver<Item>,
    cancelled: &AtomicBool,
) -> Result<Unpacked, UnpackError> {
    while let Some(item) = queue.blocking_recv() {
        if cancelled.load(Ordering::Relaxed) {
            break;
        }
        match item {
            Item::Entry(entry) => unpack.entry(entry)?,
            Item::Data(data) => unpack.data(&data)?,
            Item::End => return unpack.finish(cancelled),
        }
    }
    Err(UnpackError::Cancelled)
}
