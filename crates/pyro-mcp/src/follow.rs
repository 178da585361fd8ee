//! The one place that starts runs: a run under way, its progress, and its early end.

use std::pin::pin;

use pyro::object::VmExec;
use pyro::{Diagnosis, ErrorCode, Pyro, Run, RunRequest};

use crate::ending::Ending;
use crate::progress::Progress;

/// A call that ended before its command did.
#[derive(Debug, thiserror::Error)]
#[error("the call was cancelled before its command ended; its VM is removed")]
struct Cancelled;

impl Diagnosis for Cancelled {
    fn code(&self) -> ErrorCode {
        ErrorCode::Cancelled
    }

    fn hint(&self) -> Option<String> {
        Some("call again to run the command from the beginning".to_owned())
    }
}

/// Runs a command to its end, or to the call's if that comes first.
pub(crate) async fn follow(
    pyro: &Pyro,
    request: RunRequest,
    ending: &Ending,
    progress: Progress,
) -> pyro::Result<VmExec> {
    if ending.is_asked() {
        return Err(Cancelled.into());
    }
    let run = pyro.start_run(request);
    let control = run.control();
    let mut work = pin!(to_its_end(run, progress));
    tokio::select! {
        result = &mut work => return result,
        () = ending.asked() => control.cancel(),
    }
    tokio::select! {
        result = work => result,
        // Dropping the run kills the VM.
        () = ending.overdue() => Err(Cancelled.into()),
    }
}

async fn to_its_end(mut run: Run, progress: Progress) -> pyro::Result<VmExec> {
    // Events are taken as they come, with or without anyone to tell: output that is not taken stops the command.
    while let Some(event) = run.next_event().await {
        progress.note(&event);
    }
    run.finish().await
}
