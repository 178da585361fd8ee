//! One output stream of a command: read from its pipe no faster than it is sent on.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use pyro_proto::replay::Replay;
use pyro_proto::{CHUNK_BYTES, STREAM_WINDOW_BYTES};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How far reading may be ahead of sending.
const AHEAD_BYTES: u64 = CHUNK_BYTES as u64;

/// What a host can lack after a broken connection (the window and a chunk), and what was not sent yet.
const KEPT_BYTES: usize = STREAM_WINDOW_BYTES as usize + 3 * CHUNK_BYTES;

/// What was read last, and how much of it was sent.
#[derive(Debug)]
pub(crate) struct Output {
    state: RefCell<State>,
    has_room: Notify,
    news: Rc<Notify>,
}

#[derive(Debug)]
struct State {
    replay: Replay,
    sent: u64,
}

impl Output {
    /// Makes an empty one that tells `news` what arrives.
    pub(crate) fn new(news: Rc<Notify>) -> Self {
        let state = State {
            replay: Replay::new(KEPT_BYTES),
            sent: 0,
        };
        Self {
            state: RefCell::new(state),
            has_room: Notify::new(),
            news,
        }
    }

    /// All bytes that were read.
    pub(crate) fn end(&self) -> u64 {
        self.state.borrow().replay.end()
    }

    /// Forgets what was read, but not how much.
    pub(crate) fn forget(&self) {
        self.state.borrow_mut().replay.forget();
    }

    /// The memory that what was read takes.
    pub(crate) fn memory(&self) -> usize {
        self.state.borrow().replay.memory()
    }

    /// Whether a host that has `offset` bytes can be given the rest.
    pub(crate) fn reaches_back_to(&self, offset: u64) -> bool {
        self.state.borrow().replay.chunk(offset, 0).is_some()
    }

    /// The next bytes from `offset` on; they count as sent. Empty at the end, `None` if they are gone.
    pub(crate) fn take(&self, offset: u64) -> Option<Bytes> {
        let mut state = self.state.borrow_mut();
        let chunk = state.replay.chunk(offset, CHUNK_BYTES)?;
        state.sent = state.sent.max(offset + chunk.len() as u64);
        self.has_room.notify_one();
        Some(chunk)
    }

    /// Reads until the end of the pipe. Dropping the future loses nothing.
    pub(crate) async fn read(&self, pipe: &Receiver) {
        while self.read_once(pipe).await > 0 {}
    }

    /// Reads what an ended process left, then goes on to the end of the pipe, but not beyond `deadline`.
    ///
    /// Other processes may hold the pipe for ever; what the ended one wrote is in it already.
    pub(crate) async fn read_rest(&self, pipe: &Receiver, deadline: Instant) {
        let mut left = rustix::io::ioctl_fionread(pipe).unwrap_or(0);
        while left > 0 {
            match self.read_once(pipe).await {
                0 => return,
                count => left = left.saturating_sub(count as u64),
            }
        }
        // A writer without pause would never let the timer have its turn within one read: it is asked between two.
        let rest = async { while Instant::now() < deadline && self.read_once(pipe).await > 0 {} };
        drop(tokio::time::timeout_at(deadline, rest).await);
    }

    /// Reads and keeps once there is both room and something to read; 0 at the end of the pipe.
    async fn read_once(&self, pipe: &Receiver) -> usize {
        while !self.has_room_now() {
            self.has_room.notified().await;
        }
        let bytes = read_some(pipe).await;
        self.state.borrow_mut().replay.push(&bytes);
        self.news.notify_one();
        bytes.len()
    }

    fn has_room_now(&self) -> bool {
        let state = self.state.borrow();
        state.replay.end() - state.sent < AHEAD_BYTES
    }
}

/// Reads and forgets until the end of the pipe: whoever still writes to it is left in peace.
pub(crate) async fn discard(pipe: &Receiver) {
    while !read_some(pipe).await.is_empty() {}
}

/// Reads once there is something; nothing at the end. An error of a pipe is its end.
async fn read_some(pipe: &Receiver) -> Vec<u8> {
    loop {
        if pipe.readable().await.is_err() {
            return Vec::new();
        }
        // Not filled with zeroes: an emulated processor takes longer for that than for all that is read in most runs.
        let mut buffer = Vec::with_capacity(CHUNK_BYTES);
        match pipe.try_read_buf(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return buffer,
        }
    }
}
