//! Waiting: the runtime of commands that need one, and the signals that end the wait.

use pyro::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Runs a future to its end on a runtime of its own.
///
/// # Errors
/// What the future fails with, or that there is no runtime to be had.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::host("cannot start the event loop"))?;
    let outcome = runtime.block_on(future);
    // Whatever still blocks a thread here is of no use to anyone, and must not keep the user waiting.
    runtime.shutdown_background();
    outcome
}

/// What the user, or whoever started pyro, wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Come to an end: Ctrl-C.
    Interrupt,
    /// End now: TERM, or the terminal went away.
    Terminate,
}

/// The signals that ask pyro to end. While this exists they do nothing else.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen. Must be called within a runtime.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub(crate) fn listen() -> Result<Self> {
        let listen = || {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            })
        };
        Ok(listen().map_err(Failure::host("cannot listen to signals"))?)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Interrupt,
            _ = self.terminate.recv() => Request::Terminate,
            _ = self.hangup.recv() => Request::Terminate,
        }
    }
}

/// Runs something that loses nothing when it is dropped half-way, until it ends or a signal asks for the end.
///
/// # Errors
/// What it fails with, or `cancelled`.
pub(crate) async fn unless_interrupted<T>(
    operation: &'static str,
    hint: &'static str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        outcome = work => outcome,
        _ = signals.next() => Err(Failure::Interrupted { operation, hint }.into()),
    }
}
