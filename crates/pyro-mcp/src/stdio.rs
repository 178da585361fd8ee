//! The process's standard input and output as streams that never hold up its end.
//!
//! Hosts connect pipes, socket pairs or files. Reading those through the runtime's blocking pool would keep the runtime
//! alive until the next byte arrives; a thread of our own is simply left behind when the process ends.

use std::io::{self, Read as _, StdinLock, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, PollSender};

/// The most that one read takes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks of input that may wait.
const WAITING_INPUT: usize = 16;

/// Chunks of output that may wait, each at least one message.
const WAITING_OUTPUT: usize = 64;

/// Lines handed on before their answers get a turn. A session prefers input that is there to answers that are ready, so
/// a flood of requests would be in memory as a whole before the first answer is written.
const LINES_AT_ONCE: usize = 64;

/// How long a turn is at least.
const TURN: Duration = Duration::from_millis(1);

/// How long requests of a client that left may lie untaken before they are given up; the server must be gone after 1 s.
const UNTAKEN_FOR: Duration = Duration::from_millis(100);

/// How often the thread that reads looks whether the client left, while nothing more can be taken.
const LOOK_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Standard input. Nothing is read from it while the client leaves its answers unread, for each request held in memory
/// is one more answer to hold.
#[derive(Debug)]
pub(crate) struct Input {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
    answers: PollSender<Vec<u8>>,
    /// Lines handed on since the last pause.
    lines: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

/// Standard output.
#[derive(Debug)]
pub(crate) struct Output {
    chunks: PollSender<Vec<u8>>,
}

/// Fires when everything handed to [`Output`] is written, or cannot be.
pub(crate) type Written = oneshot::Receiver<()>;

/// Takes over standard input and output. `hung_up` fires if the client leaves while its requests cannot be taken.
pub(crate) fn take_over(hung_up: CancellationToken) -> io::Result<(Input, Output, Written)> {
    let (output, written) = output()?;
    let (sender, chunks) = mpsc::channel(WAITING_INPUT);
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || read_all(&sender, &hung_up))?;
    let input = Input {
        chunks,
        current: io::Cursor::default(),
        answers: output.chunks.clone(),
        lines: 0,
        pause: None,
    };
    Ok((input, output, written))
}

fn output() -> io::Result<(Output, Written)> {
    let (sender, chunks) = mpsc::channel(WAITING_OUTPUT);
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

fn read_all(sender: &mpsc::Sender<io::Result<Vec<u8>>>, hung_up: &CancellationToken) {
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let chunk = match stdin.read(&mut buffer) {
            Ok(0) => return see_taken(sender, hung_up),
            Ok(length) => Ok(buffer[..length].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if !pass_on(sender, chunk, &stdin, hung_up) || failed {
            return;
        }
    }
}

/// Passes a chunk on as soon as there is room; `false` if nobody takes it.
///
/// The end of input lies behind what is not yet read, so it is looked for meanwhile.
fn pass_on(
    sender: &mpsc::Sender<io::Result<Vec<u8>>>,
    mut chunk: io::Result<Vec<u8>>,
    stdin: &StdinLock<'_>,
    hung_up: &CancellationToken,
) -> bool {
    let mut has_left = false;
    loop {
        chunk = match sender.try_send(chunk) {
            Ok(()) => return true,
            Err(TrySendError::Closed(_)) => return false,
            Err(TrySendError::Full(chunk)) => chunk,
        };
        if has_left {
            hung_up.cancel();
            return sender.blocking_send(chunk).is_ok();
        }
        let end = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut watched = [PollFd::new(stdin, PollFlags::RDHUP)];
        let looked = poll(&mut watched, Some(&LOOK_EVERY));
        has_left = looked.is_ok() && watched[0].revents().intersects(end);
        if has_left {
            thread::sleep(UNTAKEN_FOR);
        }
    }
}

/// Waits, at the end of input, until all of it is taken, or nobody takes any.
fn see_taken(sender: &mpsc::Sender<io::Result<Vec<u8>>>, hung_up: &CancellationToken) {
    let mut room = sender.capacity();
    while room < sender.max_capacity() && !sender.is_closed() {
        thread::sleep(UNTAKEN_FOR);
        let before = std::mem::replace(&mut room, sender.capacity());
        if room == before {
            return hung_up.cancel();
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

impl Input {
    fn count(&mut self, piece: &[u8]) {
        self.lines += piece.iter().filter(|byte| **byte == b'\n').count();
        if self.lines >= LINES_AT_ONCE {
            self.lines = 0;
            self.pause = Some(Box::pin(tokio::time::sleep(TURN)));
        }
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let before = buffer.filled().len();
        loop {
            ready!(Pin::new(&mut self.current).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                self.count(&buffer.filled()[before..]);
                return Poll::Ready(Ok(()));
            }
            // The end of input passes in any case.
            if !self.chunks.is_empty() && ready!(self.answers.poll_reserve(context)).is_ok() {
                self.answers.abort_send();
            }
            match ready!(self.chunks.poll_recv(context)) {
                Some(chunk) => self.current = io::Cursor::new(chunk?),
                None => {
                    self.answers.close();
                    return Poll::Ready(Ok(()));
                }
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
