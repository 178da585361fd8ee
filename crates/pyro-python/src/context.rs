//! What an operation works with, and how it tells of itself.

use bytes::Bytes;
use pyro::{EnvironmentProgress, Error, Pyro, Run, RunControl, RunEvent, Stdin, TransferProgress};
use tokio::sync::{mpsc, watch};

use crate::event::{Event, Progress};

/// What an operation works with.
pub(crate) struct Context {
    pub(crate) pyro: Pyro,
    /// A command's standard input, until it is taken.
    pub(crate) stdin: Stdin,
    pub(crate) teller: Teller,
    /// Whether the caller has taken the call back.
    pub(crate) is_cancelled: watch::Receiver<bool>,
}

/// Tells the caller what it wants to hear.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) wants_output: bool,
    pub(crate) wants_progress: bool,
}

impl Context {
    /// The command's standard input; nothing from the second time on.
    pub(crate) fn take_stdin(&mut self) -> Stdin {
        std::mem::replace(&mut self.stdin, Stdin::Empty)
    }

    /// Follows a command to its end, and ends it if the caller takes the call back.
    ///
    /// # Errors
    /// Whatever kept it from running, or from being followed.
    pub(crate) async fn follow<T: Send + 'static>(mut self, mut run: Run<T>) -> Result<T, Error> {
        let mut ending = Some(run.control());
        loop {
            tokio::select! {
                event = run.next_event() => match event {
                    Some(event) => self.teller.tell(event).await,
                    None => return run.finish().await,
                },
                control = cancelled(&mut self.is_cancelled, &mut ending), if ending.is_some() => control.cancel(),
            }
        }
    }
}

/// Gives the control away, once.
async fn cancelled(is_cancelled: &mut watch::Receiver<bool>, ending: &mut Option<RunControl>) -> RunControl {
    if is_cancelled.wait_for(|is_cancelled| *is_cancelled).await.is_ok()
        && let Some(control) = ending.take()
    {
        return control;
    }
    // Without a caller the whole task is dropped.
    std::future::pending().await
}

impl Teller {
    async fn tell(&self, event: RunEvent) {
        match event {
            RunEvent::Stdout(bytes) => self.output(bytes, Event::Stdout).await,
            RunEvent::Stderr(bytes) => self.output(bytes, Event::Stderr).await,
            RunEvent::Phase(phase) => self.progress(phase),
            RunEvent::Environment(progress) => self.progress(progress),
            _ => {}
        }
    }

    /// Waits until the caller has taken what came before: a command whose output nobody takes stops.
    async fn output(&self, bytes: Bytes, event: fn(Bytes) -> Event) {
        if self.wants_output {
            let _nobody_listens = self.events.send(event(bytes)).await;
        }
    }

    /// Progress is left out where the caller is slower: the next one says more.
    fn progress(&self, progress: impl Into<Progress>) {
        if self.wants_progress {
            let _left_out = self.events.try_send(Event::Progress(progress.into()));
        }
    }

    /// For operations that fetch an environment.
    pub(crate) fn on_environment(&self) -> impl FnMut(EnvironmentProgress) + Send {
        let teller = self.clone();
        move |progress| teller.progress(progress)
    }

    /// For operations that move files.
    pub(crate) fn on_transfer(&self) -> impl Fn(TransferProgress) + Send + Sync {
        let teller = self.clone();
        move |progress| teller.progress(progress)
    }
}
