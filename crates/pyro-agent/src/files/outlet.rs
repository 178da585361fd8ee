//! From a thread that reads files to the host.

use bytes::{Bytes, BytesMut};
use pyro_proto::frame;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::{AgentMessage, Fault, FaultKind};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::byte_path;
use crate::call::{CallError, Reply, broken_off, fault};

/// How many times as much as is held may wait for the host.
const WAITING: usize = 4;

/// How much is held back until it goes on together, in bytes, if no single answer is longer.
const HELD_BYTES: usize = 64 * 1024;

/// Why a thread stops early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// Nobody waits for the rest.
    #[error("the call was broken off")]
    Gone,
    /// The request cannot be served.
    #[error("{}", .0.message)]
    Refused(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// Makes the refusal that tells of a failed system call.
pub(super) fn failure(what: &str, path: &[u8], error: impl Into<std::io::Error>) -> Fault {
    let error = error.into();
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::DQUOT) => FaultKind::NoSpace,
        // A file system whose journal cannot be written is read-only from then on.
        Some(Errno::IO | Errno::ROFS) => FaultKind::DiskFailed,
        _ => FaultKind::Internal,
    };
    fault(
        kind,
        format!("cannot {what} `{}`: {error}", byte_path::shown(path)),
    )
}

/// Where a thread puts its answers. Short ones go on together: each time that the threads take turns, and each write to
/// the host, costs more than many of them.
#[derive(Debug)]
pub(super) struct Outlet {
    frames: mpsc::Sender<Bytes>,
    held: BytesMut,
}

impl Outlet {
    fn new(frames: mpsc::Sender<Bytes>) -> Self {
        Self {
            frames,
            held: BytesMut::new(),
        }
    }

    /// Gives an answer to the host, once it takes more; at the latest with the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Stop::Gone`].
    pub(super) fn send(&mut self, answer: Answer) -> Result<(), Stop> {
        let frame = frame::encode(&AgentMessage { body: Some(answer) });
        if self.held.len() + frame.len() > HELD_BYTES {
            self.flush()?;
        }
        self.held.extend_from_slice(&frame);
        Ok(())
    }

    /// Gives the host what is held.
    ///
    /// # Errors
    /// [`Stop::Gone`].
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        if self.held.is_empty() {
            return Ok(());
        }
        let frames = self.held.split().freeze();
        self.frames.blocking_send(frames).map_err(|_| Stop::Gone)
    }

    /// Ends a thread that has nothing to send for long.
    ///
    /// # Errors
    /// [`Stop::Gone`].
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.frames.is_closed() {
            Err(Stop::Gone)
        } else {
            Ok(())
        }
    }
}

/// All that comes out of an outlet without a host.
#[cfg(test)]
pub(super) fn all_of(produce: impl FnOnce(&mut Outlet) -> Result<(), Stop>) -> Result<Vec<Answer>, Stop> {
    let (frames, mut given) = mpsc::channel(100_000);
    let mut outlet = Outlet::new(frames);
    let outcome = produce(&mut outlet);
    outlet.flush()?;
    drop(outlet);
    let mut decoder = frame::Decoder::default();
    let mut all = Vec::new();
    while let Some(frames) = given.blocking_recv() {
        decoder.push(&frames);
        while let Ok(Some(message)) = decoder.next::<AgentMessage>() {
            all.extend(message.body);
        }
    }
    outcome.map(|()| all)
}

/// Has a thread produce answers and sends them as the host takes them. Dropped, it ends the thread at its next answer.
///
/// # Errors
/// [`CallError`] if the thread stopped, or the host is gone.
pub(super) async fn stream<F>(reply: &mut Reply<'_>, produce: F) -> Result<(), CallError>
where
    F: FnOnce(&mut Outlet) -> Result<(), Stop> + Send + 'static,
{
    let (frames, mut given) = mpsc::channel(WAITING);
    let thread = tokio::task::spawn_blocking(move || {
        let mut outlet = Outlet::new(frames);
        produce(&mut outlet)?;
        outlet.flush()
    });
    loop {
        let frames = tokio::select! {
            biased;
            frames = given.recv() => frames,
            gone = reply.broken() => return Err(gone),
        };
        match frames {
            Some(frames) => reply.send_frames(frames).await?,
            None => break,
        }
    }
    match thread.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Stop::Gone)) => Err(broken_off()),
        Ok(Err(Stop::Refused(refusal))) => Err(refusal.into()),
        Err(_) => Err(fault(FaultKind::Internal, "the agent failed at this").into()),
    }
}
