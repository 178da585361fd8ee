//! Calls to the agent of a running workspace, which its supervisor passes on.

use std::path::PathBuf;

use pyro_proto::message::Verb;
use tokio::time::Instant;

use super::Workspace;
use super::call::{self, answer, gone};
use super::handle::{EXCLUSION_BOUND, EXCLUSION_CHECK};
use crate::error::{Error, ErrorCode, Result};
use crate::guest::files::Opened;
use crate::guest::over_socket;
use crate::object::{ExecutionMode, GuestUse};
use crate::supervisor::{Answer, Call, Frame, receive};

/// A workspace whose guest runs.
#[derive(Debug)]
pub(super) struct Guest {
    dir: PathBuf,
    /// What results say of it.
    pub(super) used: GuestUse,
}

impl Workspace {
    /// Has the agent in its guest answer, which does nothing else for it. A workspace that nobody stopped is started first.
    ///
    /// # Errors
    /// `invalid-state`, `busy`, `guest-lost`, and whatever keeps it from starting.
    pub async fn ping(&self) -> Result<()> {
        let asked = self.with_guest(|guest| async move {
            let answered = call::call(&guest.dir, Call::PingGuest).await;
            (guest, answered)
        });
        asked.await.map(drop)
    }

    /// Its guest, started if nobody stopped it.
    ///
    /// # Errors
    /// `invalid-state`, `busy`, and whatever keeps it from starting.
    pub(super) async fn guest(&self) -> Result<Guest> {
        let (found, auto_started) = self.running().await?;
        // What cannot be read cannot be started either.
        found.record?;
        let vm = found.live.and_then(|live| live.vm);
        let used = GuestUse {
            auto_started,
            isolation: vm.as_ref().map(|vm| vm.isolation),
            vmm: vm.as_ref().map(|vm| vm.vmm),
            execution_mode: vm.map_or(ExecutionMode::Pending, |vm| vm.execution_mode),
        };
        let dir = self.dir();
        Ok(Guest { dir, used })
    }

    /// Its guest, started if nobody stopped it, and a call to it.
    ///
    /// # Errors
    /// `invalid-state`, `busy`, `guest-lost`.
    pub(super) async fn call_guest(&self, verb: Verb) -> Result<(Guest, Opened)> {
        let opened = self.with_guest(move |guest| async move {
            let opened = guest.open(verb).await;
            (guest, opened)
        });
        opened.await
    }

    /// Its guest, started if nobody stopped it, and what it is asked by a request that can be made again.
    async fn with_guest<T, F>(&self, ask: impl Fn(Guest) -> F) -> Result<(Guest, T)>
    where
        F: Future<Output = (Guest, Result<T>)>,
    {
        let deadline = Instant::now() + EXCLUSION_BOUND;
        let mut auto_started = false;
        loop {
            let mut guest = self.guest().await?;
            auto_started |= guest.used.auto_started;
            guest.used.auto_started = auto_started;
            let (guest, answered) = ask(guest).await;
            match answered {
                Ok(answer) => return Ok((guest, answer)),
                Err(error) if !is_passing(&error) || Instant::now() >= deadline => return Err(error),
                // It is being stopped, or another supervisor is about to be there; what comes of that decides.
                Err(_) => tokio::time::sleep(EXCLUSION_CHECK).await,
            }
        }
    }

    /// Opens a call to the agent; a workspace that nobody stopped is started for it.
    ///
    /// # Errors
    /// `invalid-state`, `busy`, `guest-lost`.
    pub(super) async fn open_guest(&self, verb: Verb) -> Result<Opened> {
        Ok(self.call_guest(verb).await?.1)
    }
}

impl Guest {
    /// Opens a further call.
    ///
    /// # Errors
    /// `busy` if it is being stopped, `guest-lost`.
    pub(super) async fn open(&self, verb: Verb) -> Result<Opened> {
        let verb = verb.name().to_owned();
        let mut stream = call::open(&self.dir, Call::Guest { verb }).await?;
        let Some(Frame::Json(bytes)) = receive(&mut stream).await.map_err(gone)? else {
            return Err(gone(std::io::ErrorKind::UnexpectedEof.into()).into());
        };
        match answer(&bytes)? {
            Answer::Done => Ok(over_socket(stream)),
            Answer::Failed(error) => Err(error.into()),
            Answer::Began { .. } | Answer::Ended(_) => {
                Err(gone(std::io::ErrorKind::InvalidData.into()).into())
            }
        }
    }
}

/// Whether the workspace may be found otherwise in a moment.
fn is_passing(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Busy | ErrorCode::GuestLost)
}
