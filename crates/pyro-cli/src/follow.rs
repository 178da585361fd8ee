//! A command that is followed: its streams on the host's, the user's signals to it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use pyro::object::{VmExec, WorkspaceExec};
use pyro::{Result, Run, RunControl, RunEvent};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::output::{Chunk, Output};
use crate::progress::Progress;
use crate::ui::{Form, Ui};
use crate::wait::{Request, Signals};

/// How long a command may go on after the first Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// How long after that its last output may take: 2 s from TERM to KILL, and a little.
const LAST_OUTPUT: Duration = Duration::from_secs(3);

/// How long the last output may take to be written, once the user has given the run up.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// What came of a command that was followed.
pub(crate) trait Followed: Send + 'static {
    /// Whether its caller ended it.
    fn is_cancelled(&self) -> bool;
}

impl Followed for VmExec {
    fn is_cancelled(&self) -> bool {
        self.cancelled
    }
}

impl Followed for WorkspaceExec {
    fn is_cancelled(&self) -> bool {
        self.cancelled
    }
}

/// Follows a command to its end, with its streams on the host's. There is no result to show if nobody reads standard
/// output any more.
///
/// # Errors
/// What the command could not be run or shown for.
pub(crate) async fn follow<T: Followed>(ui: Ui, start: impl FnOnce() -> Run<T>) -> Result<Option<T>> {
    let signals = Signals::listen()?;
    let output = Output::start(ui.raw_streams()?)?;
    let mut run = start();
    let control = run.control();
    let (gave_up, giving_up) = watch::channel(false);

    let mut steer = std::pin::pin!(steer(signals, &control, &gave_up));
    let reader_left = async {
        output.watch().closed().await;
        control.cancel();
        std::future::pending::<Infallible>().await
    };
    let show = async {
        let mut progress = ui.progress();
        while let Some(event) = run.next_event().await {
            show(event, &output, &mut progress, ui.form(), &giving_up).await;
        }
        drop(progress);
        run.finish().await
    };
    let result = tokio::select! {
        result = show => result,
        never = reader_left => match never {},
        never = &mut steer => match never {},
    };
    tokio::select! {
        concluded = conclude(result, output, giving_up) => concluded,
        never = steer => match never {},
    }
}

/// Turns signals into requests to the run, the second and later ones more urgent than the first.
async fn steer(mut signals: Signals, control: &RunControl, gave_up: &watch::Sender<bool>) -> Infallible {
    if signals.next().await == Request::Interrupt {
        control.interrupt(GRACE);
        tokio::select! {
            _ = signals.next() => {}
            () = sleep(GRACE + LAST_OUTPUT) => {}
        }
    }
    control.cancel();
    gave_up.send_replace(true);
    loop {
        signals.next().await;
        control.cancel();
    }
}

/// Passes an event on. Output that its reader does not take is dropped once the user has given the run up.
async fn show(
    event: RunEvent,
    output: &Output,
    progress: &mut Progress,
    form: Form,
    giving_up: &watch::Receiver<bool>,
) {
    progress.run(&event);
    let chunk = match event {
        RunEvent::Stdout(bytes) => Chunk::Stdout(bytes),
        RunEvent::Stderr(bytes) => Chunk::Stderr(bytes),
        _ => return,
    };
    if form == Form::Human {
        unless_given_up(output.write(chunk), giving_up.clone()).await;
    }
}

/// Waits for the last of the output, and decides between the run's own end and a failure to show it.
async fn conclude<T: Followed>(
    result: Result<T>,
    output: Output,
    giving_up: watch::Receiver<bool>,
) -> Result<Option<T>> {
    let mut finish = std::pin::pin!(output.finish());
    let written = match unless_given_up(&mut finish, giving_up).await {
        Some(written) => Some(written),
        None => timeout(LAST_WRITE, finish).await.ok(),
    };
    match written {
        Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Some(Err(error)) => Err(Failure::host("cannot write to standard output")(error).into()),
        Some(Ok(())) => result.map(Some),
        // The command ended, but the user would not wait until its output was read.
        None => result.map(|result| Some(result).filter(Followed::is_cancelled)),
    }
}

async fn unless_given_up<T>(
    work: impl Future<Output = T>,
    mut giving_up: watch::Receiver<bool>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        // An error means that nothing can give up any more, and then the work decides.
        Ok(_) = giving_up.wait_for(|gave_up| *gave_up) => None,
    }
}
