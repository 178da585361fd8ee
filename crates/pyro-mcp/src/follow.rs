//! The one place that starts commands: a command under way, who hears of it, and its early end.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use pyro::{Run, RunEvent};

use crate::ending::{Cancelled, Ending};

/// Runs a command to its end, or to the call's if that comes first. `note` hears every event. A command of a workspace is
/// left running after `wait`.
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
    let leave = async {
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
            control.leave();
        }
        pending::<()>().await;
    };
    tokio::select! {
        result = &mut work => return result,
        () = leave => {}
        () = ending.asked() => control.cancel(),
    }
    tokio::select! {
        result = work => result,
        // Dropping the run ends the command, and with it a VM of its own.
        () = ending.overdue() => Err(cancelled.into()),
    }
}

async fn to_its_end<T: Send + 'static>(mut run: Run<T>, mut note: impl FnMut(&RunEvent)) -> pyro::Result<T> {
    // Events are taken as they come, with or without anyone to tell: output that is not taken stops the command.
    while let Some(event) = run.next_event().await {
        note(&event);
    }
    run.finish().await
}
