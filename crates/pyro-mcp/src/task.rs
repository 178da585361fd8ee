//! Commands that outlive their call, as tasks of the protocol's extension (SEP-2663), for clients that declare it.
//!
//! Such a client gets a task in place of the text that says how to wait; what it comes to is the result that the call would
//! have had. The command is the same in both cases, and can be waited for in the other way too.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use pyro::argument::TIMEOUT_SECONDS;
use pyro::{ErrorCode, RunEvent};
use rmcp::model::{CallToolResult, CreateTaskResult};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};

use crate::progress::said;
use crate::tool::Answer;

/// The tools whose calls may become tasks.
pub(crate) const TOOLS: [&str; 2] = ["vm_run", "workspace_exec"];

/// How long a task is there beyond the time that its command may take. It is there once more for as long as both after it
/// ended.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

/// How often a client should ask, in milliseconds.
const POLL_MS: u64 = 1000;

/// The rest of a call whose command goes on.
pub(crate) struct GoesOn {
    time_limit: Duration,
    rest: Box<dyn FnOnce(Watcher) -> Rest + Send>,
}

/// What is left to do, until it is done.
type Rest = Pin<Box<dyn Future<Output = pyro::Result<Answer>> + Send>>;

/// Who waits for the rest of a call.
#[derive(Clone)]
pub(crate) struct Watcher(TaskContext);

impl Watcher {
    /// Says what happens.
    pub(crate) fn note(&self, event: &RunEvent) {
        if let Some(message) = said(event) {
            self.0.set_status_message(message);
        }
    }

    /// Waits until the command is to end.
    pub(crate) async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

impl GoesOn {
    /// The rest of a call: it fails as `cancelled` once the watcher wished so. `time_limit` is that of the command, if the call
    /// knows it.
    pub(crate) fn new<F: Future<Output = pyro::Result<Answer>> + Send + 'static>(
        time_limit: Option<Duration>,
        rest: impl FnOnce(Watcher) -> F + Send + 'static,
    ) -> Self {
        Self {
            time_limit: time_limit.unwrap_or(Duration::from_secs(*TIMEOUT_SECONDS.end())),
            rest: Box::new(move |watcher| Box::pin(rest(watcher))),
        }
    }

    /// Makes a task of it, whose result is made by `result`.
    pub(crate) fn into_task(
        self,
        tasks: &TaskManager,
        result: impl FnOnce(pyro::Result<Answer>) -> CallToolResult + Send + 'static,
    ) -> CreateTaskResult {
        let ttl = self.time_limit + KEPT_FOR;
        let options = TaskOptions::new()
            .with_ttl_ms(u64::try_from(ttl.as_millis()).ok())
            .with_poll_interval_ms(POLL_MS)
            .with_status_message("running the command");
        let task = tasks.spawn(options, move |context| {
            let rest = (self.rest)(Watcher(context.clone()));
            Box::pin(async move {
                match rest.await {
                    Err(error) if error.code() == ErrorCode::Cancelled && context.is_cancel_requested() => {
                        Err(TaskExit::Cancelled)
                    }
                    answer => Ok(result(answer)),
                }
            })
        });
        CreateTaskResult::new(task)
    }
}

impl fmt::Debug for GoesOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GoesOn")
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}
