//! The process's standard input and output as streams that never hold up its end.
//!
//! Hosts connect pipes, socket pairs or files. Reading those through the runtime's blocking pool would keep the runtime
//! alive until the next byte arrives; a thread of our own is simply left behind when the process ends.

use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;

/// The most that one read takes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that may wait in each direction.
const WAITING_CHUNKS: usize = 16;

/// Standard input.
#[derive(Debug)]
pub(crate) struct Input {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
}

/// Standard output.
#[derive(Debug)]
pub(crate) struct Output {
    chunks: PollSender<Vec<u8>>,
}

/// Fires when everything handed to [`Output`] is written, or cannot be.
pub(crate) type Written = oneshot::Receiver<()>;

/// Takes over standard input.
pub(crate) fn input() -> io::Result<Input> {
    let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || read_all(&sender))?;
    Ok(Input {
        chunks,
        current: io::Cursor::default(),
    })
}

/// Takes over standard output.
pub(crate) fn output() -> io::Result<(Output, Written)> {
    let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
    let (done, written) = oneshot::channel();
    thread::Builder::new().name("stdout".to_owned()).spawn(move || {
        write_all(chunks);
        // Nobody waits any more if the server is gone.
        let _ = done.send(());
    })?;
    let output = Output {
        chunks: PollSender::new(sender),
    };
    Ok((output, written))
}

fn read_all(sender: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let chunk = match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(buffer[..length].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if sender.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

fn write_all(mut chunks: mpsc::Receiver<Vec<u8>>) {
    let mut stdout = io::stdout();
    while let Some(chunk) = chunks.blocking_recv() {
        if let Err(error) = stdout.write_all(&chunk).and_then(|()| stdout.flush()) {
            tracing::debug!(%error, "standard output is gone");
            return;
        }
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            ready!(Pin::new(&mut self.current).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.chunks.poll_recv(context)) {
                Some(chunk) => self.current = io::Cursor::new(chunk?),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.chunks.poll_reserve(context));
        let sent = room.and_then(|()| self.chunks.send_item(bytes.to_vec()));
        Poll::Ready(match sent {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The thread flushes after every chunk.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.chunks.close();
        Poll::Ready(Ok(()))
    }
}
