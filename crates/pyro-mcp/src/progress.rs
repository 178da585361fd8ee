//! Progress of a call, told to the client that asked for it.

use std::time::Duration;

use pyro::{EnvironmentProgress, Phase, RunEvent};
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use rmcp::{Peer, RoleServer};
use tokio::sync::{mpsc, watch};

use crate::render::last_line;

/// The longest silence. Hosts end calls that are silent for too long; the contract allows 5 s.
const INTERVAL: Duration = Duration::from_secs(4);

/// How long one notification may take to be written: a client that does not read must not hold up its own call.
const SEND_LIMIT: Duration = Duration::from_millis(250);

/// What the first notification says.
const ACCEPTED: &str = "accepted";

/// Takes what happens. Never waits.
#[derive(Debug)]
pub(crate) struct Progress {
    phases: mpsc::UnboundedSender<String>,
    state: watch::Sender<String>,
}

/// Tells it to the client, until its [`Progress`] is dropped.
#[derive(Debug)]
pub(crate) struct Reporter {
    client: Option<(Peer<RoleServer>, ProgressToken)>,
    phases: mpsc::UnboundedReceiver<String>,
    state: watch::Receiver<String>,
}

/// The two halves for one call; without a client's request, or a progress token in it, nobody is told.
pub(crate) fn progress(context: Option<&RequestContext<RoleServer>>) -> (Progress, Reporter) {
    let client = context.and_then(|context| {
        let token = context.meta.get_progress_token()?;
        Some((context.peer.clone(), token))
    });
    let (phase_sender, phase_receiver) = mpsc::unbounded_channel();
    let (state_sender, state_receiver) = watch::channel(ACCEPTED.to_owned());
    (
        Progress {
            phases: phase_sender,
            state: state_sender,
        },
        Reporter {
            client,
            phases: phase_receiver,
            state: state_receiver,
        },
    )
}

impl Progress {
    /// Notes an event of a run.
    pub(crate) fn note(&self, event: &RunEvent) {
        // Without a reporter nobody wants to know.
        if self.state.receiver_count() == 0 {
            return;
        }
        let Some(message) = said(event) else { return };
        self.state.send_replace(message.clone());
        let is_step = matches!(
            event,
            RunEvent::Phase(_) | RunEvent::Environment(EnvironmentProgress::Step(_))
        );
        if is_step {
            self.phases.send(message).ok();
        }
    }
}

/// What an event says, if anything; of output only its newest line is of use.
pub(crate) fn said(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::Phase(phase) => Some(phase_message(*phase).to_owned()),
        RunEvent::Environment(EnvironmentProgress::Step(step)) => Some(step.clone()),
        RunEvent::Environment(EnvironmentProgress::Bytes { done, total }) => {
            Some(format!("{} of {}", mib(*done), mib(*total)))
        }
        RunEvent::Stdout(chunk) | RunEvent::Stderr(chunk) => last_line(chunk),
        _ => None,
    }
}

/// What a phase is, in a few words.
pub(crate) fn phase_message(phase: Phase) -> &'static str {
    match phase {
        Phase::Environment => "preparing the environment",
        Phase::Starting => "starting the VM",
        Phase::Running => "running the command",
        Phase::Exporting => "comparing the files",
        Phase::Removing => "removing the VM",
        _ => "working",
    }
}

fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

impl Reporter {
    /// Tells the client at once, on each phase, and often enough to be heard as alive.
    pub(crate) async fn run(self) {
        let Self {
            client,
            mut phases,
            state,
        } = self;
        let Some((peer, token)) = client else { return };
        let mut count = 0.0;
        let mut message = ACCEPTED.to_owned();
        loop {
            count += 1.0;
            let params = ProgressNotificationParam::new(token.clone(), count).with_message(message);
            if let Ok(Err(error)) = tokio::time::timeout(SEND_LIMIT, peer.notify_progress(params)).await {
                tracing::debug!(%error, "progress was not sent");
                return;
            }
            message = tokio::select! {
                phase = phases.recv() => match phase {
                    Some(phase) => phase,
                    None => return,
                },
                () = tokio::time::sleep(INTERVAL) => state.borrow().clone(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(events: &[RunEvent]) -> (String, Vec<String>) {
        let (phase_sender, mut phases) = mpsc::unbounded_channel();
        let (state_sender, state) = watch::channel(String::new());
        let progress = Progress {
            phases: phase_sender,
            state: state_sender,
        };
        for event in events {
            progress.note(event);
        }
        let mut told = Vec::new();
        while let Ok(phase) = phases.try_recv() {
            told.push(phase);
        }
        let newest = state.borrow().clone();
        (newest, told)
    }

    #[test]
    fn phases_are_told_one_by_one_and_output_only_by_its_newest_line() {
        let (newest, told) = noted(&[
            RunEvent::Phase(Phase::Starting),
            RunEvent::Phase(Phase::Running),
            RunEvent::Stdout("one\ntwo\n".into()),
            RunEvent::Stderr("three\n".into()),
            RunEvent::Stdout("\n".into()),
        ]);
        assert_eq!(newest, "three");
        assert_eq!(told, ["starting the VM", "running the command"]);
    }

    #[test]
    fn a_download_is_told_in_mebibytes() {
        let progress = EnvironmentProgress::Bytes {
            done: 5 << 19,
            total: 45 << 20,
        };
        let (newest, told) = noted(&[RunEvent::Environment(progress)]);
        assert_eq!(newest, "2.5 MiB of 45.0 MiB");
        assert!(told.is_empty());
    }
}
