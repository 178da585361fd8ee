//! A child process that was started and not yet waited for.

use std::process::Child;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, waitpid};

/// A child process. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Running {
    pid: Pid,
    status: Option<WaitStatus>,
}

impl Running {
    /// Takes charge of a child that nobody else waits for.
    pub(crate) fn new(pid: Pid) -> Self {
        Self { pid, status: None }
    }

    /// Its number, which stays its own until it was waited for.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it was waited for.
    pub(super) fn status(&self) -> Option<WaitStatus> {
        self.status
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> Option<WaitStatus> {
        if self.status.is_none() {
            let waited = rustix::io::retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::empty()));
            self.status = waited.ok().flatten().map(|(_, status)| status);
        }
        self.status
    }

    /// Kills the process and those of its group, unless it was waited for: then the numbers may be another's.
    pub(super) fn kill(&mut self) {
        if self.status.is_some() {
            return;
        }
        // Fails only if all have ended already, or if the child makes no group of its own.
        let _ended_already = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let _ended_already = rustix::process::kill_process(self.pid, Signal::KILL);
    }
}

impl From<Child> for Running {
    fn from(child: Child) -> Self {
        // To drop a `Child` neither ends it nor waits for it.
        Self::new(Pid::from_child(&child))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.kill();
            // A killed process ends in the time the kernel needs to free its memory.
            let _status = self.wait();
        }
    }
}
