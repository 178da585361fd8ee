//! The one place that starts commands: a command under way, who hears of it, and its early end.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use pyro::{Run, RunControl, RunEvent};

use crate::ending::{Cancelled, Ending};

/// Runs a command to its end, or to the call's if that comes first. `note` hears every event. A command that
/// can outlive its call is left running after `wait`.
pub(crate) async fn follow<T: Send + 'static>(
    start: impl FnOnce() -> Run<T>,
    ending: &Ending,
    wait: Option<Duration>,
    note: impl FnMut(&RunEvent),
    cancelled: Cancelled,
) -> pyro::Result<T> {
    if ending.is_asked() {
        return Err(cancelled.into());
    }
    let run = start();
    let control = run.control();
    let mut work = pin!(to_its_end(run, note));
    tokio::select! {
        result = &mut work => return result,
        never = leave_after(wait, &control) => match never {},
        () = ending.asked() => control.cancel(),
    }
    tokio::select! {
        result = work => result,
        // Dropping the run ends the command, and with it a VM of its own.
        () = ending.overdue() => Err(cancelled.into()),
    }
}

/// Waits for the end of a command that a call before left running, and leaves it once more after `wait`. A call that must
/// end leaves it alone.
pub(crate) async fn wait_for<T: Send + 'static>(
    run: Run<T>,
    ending: &Ending,
    wait: Duration,
    note: impl FnMut(&RunEvent),
) -> pyro::Result<T> {
    let control = run.control();
    let work = async {
        tokio::select! {
            result = to_its_end(run, note) => result,
            never = leave_after(Some(wait), &control) => match never {},
        }
    };
    ending.unless_asked(work).await
}

/// Leaves a command running after `wait`; it then finishes by itself for this call.
async fn leave_after(wait: Option<Duration>, control: &RunControl) -> Infallible {
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
        control.leave();
    }
    pending().await
}

/// Follows a command to its end.
pub(crate) async fn to_its_end<T: Send + 'static>(
    mut run: Run<T>,
    mut note: impl FnMut(&RunEvent),
) -> pyro::Result<T> {
    // Events are taken as they come, with or without anyone to tell: output that is not taken stops the command.
    while let Some(event) = run.next_event().await {
        note(&event);
    }
    run.finish().await
}
