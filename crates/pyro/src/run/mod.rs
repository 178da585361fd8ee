//! One command in a one-shot VM: what is asked, what happens meanwhile, what came of it.

mod background;
mod drive;
mod error;
mod harvest;
mod host_dir;
mod kept;
mod on_host;
mod request;
mod result;
mod so_far;
mod start;
mod tree;

pub use background::BackgroundRuns;
pub use request::RunRequest;

pub(crate) use host_dir::HostDirs;
pub(crate) use kept::KeptRuns;

use bytes::Bytes;
use serde::Serialize;
use so_far::SoFar;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::Pyro;
use crate::command::{self, RunControl, Wishes};
use crate::environment::EnvironmentProgress;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::object::VmExec;
use crate::output::Stream;

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

impl From<(Stream, Bytes)> for RunEvent {
    fn from((stream, bytes): (Stream, Bytes)) -> Self {
        match stream {
            Stream::Stdout => Self::Stdout(bytes),
            Stream::Stderr => Self::Stderr(bytes),
        }
    }
}

/// A stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// The environment is looked up, and fetched or built if it is not there.
    Environment,
    /// The VM starts.
    Starting,
    /// The command runs.
    Running,
    /// What is to stay is taken out of the VM.
    Exporting,
    /// The VM is removed.
    Removing,
}

/// A command under way. Dropping it ends the command, and removes the VM if that is its own.
#[derive(Debug)]
pub struct Run<T = VmExec> {
    events: mpsc::Receiver<RunEvent>,
    control: RunControl,
    task: AbortOnDropHandle<Result<T>>,
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
        let so_far = SoFar::of(&pyro, &request);
        Self::start_known(pyro, request, so_far)
    }

    /// The same, where somebody may look at how far it is.
    fn start_known(pyro: Pyro, request: RunRequest, so_far: SoFar) -> Self {
        Self::spawn(|events, wishes| drive::drive(pyro, request, so_far, events, wishes))
    }
}

impl<T: Send + 'static> Run<T> {
    /// Starts work that tells of itself by events. Must be called within a tokio runtime.
    pub(crate) fn spawn<F: Future<Output = Result<T>> + Send + 'static>(
        work: impl FnOnce(mpsc::Sender<RunEvent>, Wishes) -> F,
    ) -> Self {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let (control, wishes) = command::channel();
        let task = tokio::spawn(work(sender, wishes));
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
    pub async fn finish(mut self) -> Result<T> {
        while self.events.recv().await.is_some() {}
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(TaskFailed(error).into()),
        }
    }
}

/// Tells the caller, if there is still one who listens.
pub(crate) async fn tell(events: &mpsc::Sender<RunEvent>, event: RunEvent) {
    let _nobody_listens = events.send(event).await;
}
