//! From a thread that reads files to the host.

use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::{Fault, FaultKind};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::byte_path;
use crate::call::{CallError, Reply, broken_off, fault};

/// How many messages may wait for the host.
const WAITING: usize = 4;

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

/// Where a thread puts its answers.
#[derive(Debug)]
pub(super) struct Outlet {
    answers: mpsc::Sender<Answer>,
}

impl Outlet {
    /// Gives an answer to the host, once it takes more.
    ///
    /// # Errors
    /// [`Stop::Gone`].
    pub(super) fn send(&self, answer: Answer) -> Result<(), Stop> {
        self.answers.blocking_send(answer).map_err(|_| Stop::Gone)
    }

    /// Ends a thread that has nothing to send for long.
    ///
    /// # Errors
    /// [`Stop::Gone`].
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.answers.is_closed() {
            Err(Stop::Gone)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
impl Outlet {
    /// An outlet without a host, and what comes out of it.
    pub(super) fn pair(waiting: usize) -> (Self, mpsc::Receiver<Answer>) {
        let (answers, outcome) = mpsc::channel(waiting);
        (Self { answers }, outcome)
    }
}

/// Has a thread produce answers and sends them as the host takes them. Dropped, it ends the thread at its next answer.
///
/// # Errors
/// [`CallError`] if the thread stopped, or the host is gone.
pub(super) async fn stream<F>(reply: &mut Reply<'_>, produce: F) -> Result<(), CallError>
where
    F: FnOnce(&Outlet) -> Result<(), Stop> + Send + 'static,
{
    let (answers, mut answered) = mpsc::channel(WAITING);
    let thread = tokio::task::spawn_blocking(move || produce(&Outlet { answers }));
    loop {
        let answer = tokio::select! {
            biased;
            answer = answered.recv() => answer,
            gone = reply.broken() => return Err(gone),
        };
        match answer {
            Some(answer) => reply.send(answer).await?,
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
