//! How a run is ended early, from wherever.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What the caller wants of a run, in order of urgency; it only ever gets more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// Go on.
    GoOn,
    /// Send INT now, and end the command at the given time.
    Interrupt(Instant),
    /// End the command now.
    Cancel,
}

/// Ends a run early; may be held by another task than the one that follows the events.
#[derive(Debug, Clone)]
pub struct RunControl {
    wish: watch::Sender<Wish>,
    leave: watch::Sender<bool>,
    cuts: watch::Sender<u32>,
}

/// The run's own end of its control.
#[derive(Debug)]
pub(crate) struct Wishes {
    pub(crate) wish: WishReceiver,
    pub(crate) leave: LeaveReceiver,
    pub(crate) cuts: CutReceiver,
}

/// Learns what the caller wants.
#[derive(Debug)]
pub(crate) struct WishReceiver(watch::Receiver<Wish>);

/// Learns that the caller leaves.
#[derive(Debug)]
pub(crate) struct LeaveReceiver(watch::Receiver<bool>);

/// Learns that the connection is to be cut.
#[derive(Debug)]
pub(crate) struct CutReceiver(watch::Receiver<u32>);

/// A control and the run's end of it.
pub(crate) fn channel() -> (RunControl, Wishes) {
    let (wish, wish_receiver) = watch::channel(Wish::GoOn);
    let (leave, leave_receiver) = watch::channel(false);
    let (cuts, cuts_receiver) = watch::channel(0);
    let wishes = Wishes {
        wish: WishReceiver(wish_receiver),
        leave: LeaveReceiver(leave_receiver),
        cuts: CutReceiver(cuts_receiver),
    };
    (RunControl { wish, leave, cuts }, wishes)
}

impl RunControl {
    /// Sends INT to the command, and ends its process tree if it still runs after `grace`.
    ///
    /// The run then finishes with the outcome `cancelled`, or with the command's own end if that came first. Before
    /// the command runs, this cancels.
    pub fn interrupt(&self, grace: Duration) {
        self.raise(Wish::Interrupt(Instant::now() + grace));
    }

    /// Ends the command's process tree (TERM, KILL after 2 s); the run finishes as `cancelled`.
    pub fn cancel(&self) {
        self.raise(Wish::Cancel);
    }

    /// Leaves a command of a workspace running: it finishes for this caller as `running`, with what it printed until now, and
    /// goes on by itself, without standard input. One that is about to end finishes with its end.
    ///
    /// A command in a VM of its own cannot outlive its run, and does not hear of this, unless it is one of
    /// [`BackgroundRuns`](crate::BackgroundRuns).
    pub fn leave(&self) {
        self.leave.send_replace(true);
    }

    /// Cuts the connection to the agent, as restoring a snapshot does; the run finds its command again.
    #[doc(hidden)]
    pub fn cut_connection(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    fn raise(&self, wish: Wish) {
        self.wish.send_if_modified(|current| {
            let already_interrupted = matches!((&current, wish), (Wish::Interrupt(_), Wish::Interrupt(_)));
            let more_urgent = wish > *current && !already_interrupted;
            if more_urgent {
                *current = wish;
            }
            more_urgent
        });
    }
}

impl WishReceiver {
    /// Waits until the run is to end, at whatever urgency.
    pub(crate) async fn any(&mut self) {
        self.more_urgent_than(Wish::GoOn).await;
    }

    /// Waits for a wish more urgent than the given one.
    pub(crate) async fn more_urgent_than(&mut self, known: Wish) -> Wish {
        let changed = self.0.wait_for(|wish| *wish > known).await.map(|wish| *wish);
        match changed {
            Ok(wish) => wish,
            // Without anyone to wish, nothing ends the run early.
            Err(_) => std::future::pending().await,
        }
    }
}

impl LeaveReceiver {
    /// Waits until the caller leaves.
    pub(crate) async fn asked(&mut self) {
        if self.0.wait_for(|is_asked| *is_asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl CutReceiver {
    /// Waits until the connection is to be cut.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_only_gets_more_urgent() {
        let (control, wishes) = channel();
        let mut wish = wishes.wish;
        control.interrupt(Duration::from_secs(5));
        let first = wish.more_urgent_than(Wish::GoOn).await;
        control.interrupt(Duration::from_secs(500));
        assert_eq!(*wish.0.borrow(), first);
        control.cancel();
        assert_eq!(wish.more_urgent_than(first).await, Wish::Cancel);
        control.interrupt(Duration::from_secs(5));
        assert_eq!(*wish.0.borrow(), Wish::Cancel);
    }
}
