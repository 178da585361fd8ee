//! One command in a one-shot VM: what is asked, what happens meanwhile, what came of it.

mod request;

pub use request::{Command, RunRequest, Stdin};

use std::time::Duration;

use bytes::Bytes;

use crate::error::Result;
use crate::object::VmExec;

/// What happens while a run goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// A new phase began.
    Phase(Phase),
    /// The download of the environment went on.
    Download {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
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
pub struct Run {}

/// Ends a run early; may be held by another task than the one that follows the events.
#[derive(Debug, Clone)]
pub struct RunControl {}

impl Run {
    /// Waits for the next event; `None` after the last one. Output that is not taken stops the command.
    pub async fn next_event(&mut self) -> Option<RunEvent> {
        None
    }

    /// The handle that ends this run early.
    pub fn control(&self) -> RunControl {
        RunControl {}
    }

    /// Waits for the end, throwing away events not yet taken.
    ///
    /// # Errors
    /// Whatever kept the command from running, or from being followed to its end.
    pub async fn finish(self) -> Result<VmExec> {
        unimplemented!("the run is not assembled yet")
    }
}

impl RunControl {
    /// Sends INT to the command, and ends its process tree if it still runs after `grace`.
    ///
    /// The run then finishes with the outcome `cancelled`, or with the command's own end if that came first.
    pub fn interrupt(&self, _grace: Duration) {}

    /// Ends the command's process tree (TERM, KILL after 2 s); the run finishes as `cancelled`.
    pub fn cancel(&self) {}
}
