//! What the call that follows a command and the task that supervises it share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pyro_proto::message::{Ended, Fault};
use tokio::sync::{Notify, watch};

use super::group::Group;
use super::output::Output;
use super::stdin::Stdin;

/// How far a command has come.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// Its process is being started.
    Starting,
    /// It was refused; no process was started.
    Refused(Fault),
    /// It runs.
    Running {
        /// Its process id in the workload's pid namespace.
        pid: u32,
    },
    /// It ended, and all output is known.
    Ended {
        /// Its process id in the workload's pid namespace; 0 if it was not started.
        pid: u32,
        /// How it ended.
        ended: Ended,
    },
}

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    /// The id that the host gave it.
    pub(crate) id: String,
    /// How far it has come.
    pub(crate) phase: watch::Sender<Phase>,
    /// Its standard output.
    pub(crate) stdout: Output,
    /// Its standard error.
    pub(crate) stderr: Output,
    /// Its standard input.
    pub(crate) stdin: Stdin,
    /// Told when there is output or the end.
    pub(crate) news: Rc<Notify>,
    group: RefCell<Option<Rc<Group>>>,
    followers: watch::Sender<u64>,
    cancel: Cell<Option<Duration>>,
    cancelled: Notify,
}

impl Command {
    /// Makes one that is being started.
    pub(crate) fn new(id: String) -> Self {
        let news = Rc::new(Notify::new());
        Self {
            id,
            phase: watch::Sender::new(Phase::Starting),
            stdout: Output::new(Rc::clone(&news)),
            stderr: Output::new(Rc::clone(&news)),
            stdin: Stdin::default(),
            news,
            group: RefCell::default(),
            followers: watch::Sender::new(0),
            cancel: Cell::new(None),
            cancelled: Notify::new(),
        }
    }

    /// Enters a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.news.notify_one();
    }

    /// Makes the caller the one follower; every earlier one is told by what its call of this returned.
    pub(crate) fn take_over(&self) -> Followed {
        let number = self.followers.borrow().wrapping_add(1);
        self.followers.send_replace(number);
        Followed {
            number,
            followers: self.followers.subscribe(),
        }
    }

    /// Forgets its output, unless a call is about to give it to the host.
    pub(crate) fn forget_output(&self) {
        if self.followers.receiver_count() == 0 {
            self.stdout.forget();
            self.stderr.forget();
        }
    }

    /// The memory that its output takes.
    pub(crate) fn output_memory(&self) -> usize {
        self.stdout.memory() + self.stderr.memory()
    }

    /// Makes signals reach its processes.
    pub(crate) fn hold(&self, group: Rc<Group>) {
        *self.group.borrow_mut() = Some(group);
    }

    /// Ends the reach of signals: nothing is left to reach.
    pub(crate) fn let_go(&self) {
        self.group.take();
    }

    /// Sends a signal to all its processes, if any are left.
    pub(crate) fn signal(&self, signal: i32) {
        let group = self.group.borrow().clone();
        if let Some(group) = group {
            // A number that the kernel does not know reaches no process; the caller checked it.
            drop(group.signal(signal));
        }
    }

    /// Asks for its end. A second call can shorten the grace of the first.
    pub(crate) fn cancel(&self, grace: Duration) {
        self.cancel.set(Some(grace));
        self.cancelled.notify_one();
    }

    /// Waits for the host to ask for its end, and gives the grace.
    pub(crate) async fn cancelled(&self) -> Duration {
        loop {
            if let Some(grace) = self.cancel.take() {
                return grace;
            }
            self.cancelled.notified().await;
        }
    }
}

/// The right to follow a command, until someone else takes it.
#[derive(Debug)]
pub(crate) struct Followed {
    number: u64,
    followers: watch::Receiver<u64>,
}

impl Followed {
    /// Waits until someone else follows the command.
    pub(crate) async fn superseded(&mut self) {
        let number = self.number;
        // The command outlives its followers, so the channel is never closed.
        drop(self.followers.wait_for(|latest| *latest != number).await);
    }
}
