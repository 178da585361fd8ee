//! The bridge from an asynchronous download to the thread that hashes and writes it.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinHandle};

use super::{BlobError, BlobStore, Partial};
use crate::digest::Digest;

/// Pieces on their way to the writer; network stacks deliver some ten KiB at a time.
const QUEUE: usize = 32;

enum Message {
    Chunk(Bytes),
    Restart,
    Finish,
}

/// Hashes and writes a blob in a thread, in the order it is told.
///
/// Dropping it stops the thread after the piece at hand; what was written stays for the next attempt.
#[derive(Debug)]
pub(crate) struct BlobSink {
    messages: mpsc::Sender<Message>,
    writer: JoinHandle<Result<(), BlobError>>,
    offset: u64,
}

impl BlobSink {
    /// Starts writing where the partial ends, after hashing what it has.
    pub(crate) async fn start(
        store: &BlobStore,
        mut partial: Partial,
        expected: (Digest, u64),
    ) -> Result<Self, BlobError> {
        let (messages, mut queue) = mpsc::channel(QUEUE);
        let (resumed, offset) = oneshot::channel();
        let store = store.clone();
        let writer = task::spawn_blocking(move || {
            partial.reread(|| queue.is_closed())?;
            if resumed.send(partial.written()).is_err() {
                return Err(BlobError::Cancelled);
            }
            write(&store, partial, expected, &mut queue)
        });
        match offset.await {
            Ok(offset) => Ok(Self {
                messages,
                writer,
                offset,
            }),
            Err(_) => Err(outcome(writer).await.err().unwrap_or(BlobError::Cancelled)),
        }
    }

    /// Returns how many bytes have been handed over, those of earlier attempts included.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends `content`; waits while the disk is behind.
    pub(crate) async fn write(&mut self, content: Bytes) -> Result<(), BlobError> {
        self.offset += u64::try_from(content.len()).expect("a length in memory fits 64 bits");
        self.tell(Message::Chunk(content)).await
    }

    /// Throws away what was written.
    pub(crate) async fn restart(&mut self) -> Result<(), BlobError> {
        self.offset = 0;
        self.tell(Message::Restart).await
    }

    /// Verifies and publishes the blob.
    pub(crate) async fn finish(mut self) -> Result<(), BlobError> {
        self.tell(Message::Finish).await?;
        outcome(self.writer).await
    }

    /// Sends `message`. If the writer is gone, its error is the reason.
    async fn tell(&mut self, message: Message) -> Result<(), BlobError> {
        if self.messages.send(message).await.is_ok() {
            return Ok(());
        }
        Err(outcome(&mut self.writer)
            .await
            .err()
            .unwrap_or(BlobError::Cancelled))
    }
}

async fn outcome(
    writer: impl Future<Output = Result<Result<(), BlobError>, task::JoinError>>,
) -> Result<(), BlobError> {
    match writer.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(BlobError::Cancelled),
        },
    }
}

fn write(
    store: &BlobStore,
    mut partial: Partial,
    expected: (Digest, u64),
    queue: &mut mpsc::Receiver<Message>,
) -> Result<(), BlobError> {
    while let Some(message) = queue.blocking_recv() {
        match message {
            Message::Chunk(content) => match partial.write(&content) {
                Ok(()) => {}
                Err(error @ BlobError::TooLong { .. }) => {
                    partial.discard()?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            },
            Message::Restart => partial.restart()?,
            Message::Finish => return partial.publish(store, Some(expected)).map(|_| ()),
        }
    }
    Err(BlobError::Cancelled)
}
