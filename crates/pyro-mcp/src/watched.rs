//! Streams that tell when they end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// A stream whose end fires a token: for a reader its last byte, for a writer its first error.
///
/// rmcp keeps the end of input to itself until calls under way have had 5 s to finish; the server must leave sooner.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    ended: CancellationToken,
}

impl<S> Watched<S> {
    /// Watches a stream.
    pub(crate) fn new(stream: S, ended: CancellationToken) -> Self {
        Self { stream, ended }
    }

    fn watch<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(poll, Poll::Ready(Err(_))) {
            self.ended.cancel();
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if poll.is_ready() && buffer.filled().len() == before && buffer.remaining() > 0 {
            self.ended.cancel();
        }
        self.watch(poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_reader_tells_its_end_and_not_before() {
        let ended = CancellationToken::new();
        let mut reader = Watched::new(&b"xy"[..], ended.clone());
        reader.read_u8().await.unwrap();
        reader.read_u8().await.unwrap();
        assert!(!ended.is_cancelled());
        reader.read_u8().await.unwrap_err();
        assert!(ended.is_cancelled());
    }

    #[tokio::test]
    async fn a_writer_tells_its_first_error() {
        let ended = CancellationToken::new();
        let (near, far) = tokio::io::duplex(8);
        let mut writer = Watched::new(near, ended.clone());
        writer.write_all(b"x").await.unwrap();
        assert!(!ended.is_cancelled());
        drop(far);
        writer.write_all(b"x").await.unwrap_err();
        assert!(ended.is_cancelled());
    }
}
