//! One command in a one-shot VM: what is asked, what happens meanwhile, what came of it.

mod control;
mod drive;
mod exec;
mod feed;
mod follow;
mod request;
mod result;
mod shell;
mod start;
mod talk;

pub use control::RunControl;
pub use request::{Command, RunRequest, Stdin};

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::Pyro;
use crate::environment::EnvironmentProgress;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::object::VmExec;

/// How many events wait for a caller who is busy; each holds at most one chunk of output.
const EVENT_QUEUE: usize = 16;

/// What happens while a run goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// A new phase began.
    Phase(Phase),
    /// The environment is being fetched or built.
    Environment(EnvironmentProgress),
    /// Bytes of the command's standard output.
    Stdout(Bytes),
    /// Bytes of the command's standard error.
    Stderr(Bytes),
}

/// A stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The environment is looked up, and fetched or built if it is not there.
    Environment,
    /// The VM starts.
    Starting,
    /// The command runs.
    Running,
    /// The VM is removed.
    Removing,
}

/// A run under way. Dropping it ends the command and removes the VM.
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<RunEvent>,
    control: RunControl,
    task: AbortOnDropHandle<Result<VmExec>>,
}

/// The task of a run did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("the run stopped unexpectedly")]
struct TaskFailed(#[source] tokio::task::JoinError);

impl Diagnosis for TaskFailed {
    fn code(&self) -> ErrorCode {
        ErrorCode::Internal
    }
}

impl Run {
    /// Starts the work of a run. Must be called within a tokio runtime.
    pub(crate) fn start(pyro: Pyro, request: RunRequest) -> Self {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let (control, wishes) = control::channel();
        let task = tokio::spawn(drive::drive(pyro, request, sender, wishes));
        Self {
            events,
            control,
            task: AbortOnDropHandle::new(task),
        }
    }

    /// Waits for the next event; `None` after the last one. Output that is not taken stops the command.
    pub async fn next_event(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }

    /// The handle that ends this run early.
    pub fn control(&self) -> RunControl {
        self.control.clone()
    }

    /// Waits for the end, throwing away events not yet taken.
    ///
    /// # Errors
    /// Whatever kept the command from running, or from being followed to its end.
    pub async fn finish(mut self) -> Result<VmExec> {
        while self.events.recv().await.is_some() {}
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(TaskFailed(error).into()),
        }
    }
}

/// Tells the caller, if there is still one who listens.
async fn tell(events: &mpsc::Sender<RunEvent>, event: RunEvent) {
    let _nobody_listens = events.send(event).await;
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
