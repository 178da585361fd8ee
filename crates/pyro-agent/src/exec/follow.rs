//! One call that follows a command: its output and end to the host, the host's input and wishes to it.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use bytes::{Buf, Bytes};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, FaultKind, Started};

use super::command::{Command, Phase};
use crate::call::{Asks, CallError, Reply, fault};

/// The largest signal number (signal(7), `SIGRTMAX`).
const LAST_SIGNAL: i32 = 64;

/// Follows a command from where the host stands until its end, or until another call takes over.
///
/// # Errors
/// [`CallError`]; the command goes on in every case.
pub(crate) async fn follow(
    command: &Command,
    attach: &Attach,
    asks: &mut Asks,
    reply: &mut Reply,
) -> Result<(), CallError> {
    let mut followed = command.take_over();
    let outcome = tokio::select! {
        // The old follower must not write a byte of input after the new one has said how many there are.
        biased;
        () = followed.superseded() => None,
        outcome = converse(command, attach, asks, reply) => Some(outcome),
    };
    outcome.unwrap_or_else(|| {
        reply.give_up();
        Ok(())
    })
}

async fn converse(
    command: &Command,
    attach: &Attach,
    asks: &mut Asks,
    reply: &mut Reply,
) -> Result<(), CallError> {
    let pid = tokio::select! {
        started = started(command) => started?,
        error = reply.broken() => return Err(error),
    };
    for (output, offset) in [
        (&command.stdout, attach.stdout_offset),
        (&command.stderr, attach.stderr_offset),
    ] {
        if !output.reaches_back_to(offset) {
            let message = format!("output from byte {offset} on is not kept");
            return Err(fault(FaultKind::InvalidArgument, message).into());
        }
    }
    reply
        .send(Answer::Started(Started {
            pid,
            stdin_offset: command.stdin.taken(),
        }))
        .await?;
    tokio::select! {
        outcome = send_output(command, attach, reply) => outcome,
        error = take_input(command, asks) => Err(error),
    }
}

/// Waits until the command runs, and gives its process id.
async fn started(command: &Command) -> Result<u32, CallError> {
    let mut phase = command.phase.subscribe();
    let reached = phase
        .wait_for(|phase| !matches!(phase, Phase::Starting))
        .await
        .map(|phase| phase.clone());
    match reached {
        Ok(Phase::Running { pid } | Phase::Ended { pid, .. }) => Ok(pid),
        Ok(Phase::Refused(fault)) => Err(fault.into()),
        Ok(Phase::Starting) | Err(_) => {
            Err(fault(FaultKind::Internal, "the command was lost before it started").into())
        }
    }
}

async fn send_output(command: &Command, attach: &Attach, reply: &mut Reply) -> Result<(), CallError> {
    let mut offsets = (attach.stdout_offset, attach.stderr_offset);
    loop {
        // The end is looked at first: once it is known, no output comes any more.
        let phase = command.phase.borrow().clone();
        let stdout = command.stdout.take(offsets.0).unwrap_or_default();
        let stderr = command.stderr.take(offsets.1).unwrap_or_default();
        offsets = (offsets.0 + stdout.len() as u64, offsets.1 + stderr.len() as u64);
        match phase {
            _ if !(stdout.is_empty() && stderr.is_empty()) => {
                for (bytes, wrap) in [
                    (stdout, Answer::Stdout as fn(Bytes) -> Answer),
                    (stderr, Answer::Stderr),
                ] {
                    if !bytes.is_empty() {
                        reply.send(wrap(bytes)).await?;
                    }
                }
            }
            Phase::Ended { ended, .. } => return reply.finish(Answer::Ended(ended)).await,
            Phase::Starting | Phase::Refused(_) | Phase::Running { .. } => tokio::select! {
                () = command.news.notified() => {}
                error = reply.broken() => return Err(error),
            },
        }
    }
}

/// Takes what the host sends until the call breaks.
///
/// Input that the command does not read yet holds up no signal behind it, and keeps its flow-control credit.
async fn take_input(command: &Command, asks: &mut Asks) -> CallError {
    let mut input = Input::default();
    let mut is_open = true;
    loop {
        let pending = input.length;
        tokio::select! {
            biased;
            () = input.write_to(command) => {
                if let Err(error) = asks.release_all_but(input.length) {
                    return error;
                }
            }
            ask = asks.next(pending), if is_open => match ask {
                Ok(None) => is_open = false,
                Ok(Some(ask)) => {
                    if let Err(error) = take(ask, command, &mut input) {
                        return error;
                    }
                }
                Err(error) => return error,
            },
        }
    }
}

fn take(ask: Ask, command: &Command, input: &mut Input) -> Result<(), CallError> {
    match ask {
        Ask::Stdin(bytes) => input.push(bytes),
        Ask::StdinEnd(_) => input.is_ended = true,
        Ask::Signal(signal @ 1..=LAST_SIGNAL) => command.signal(signal),
        Ask::Signal(signal) => {
            return Err(fault(FaultKind::InvalidArgument, format!("there is no signal {signal}")).into());
        }
        Ask::Cancel(grace_ms) => command.cancel(Duration::from_millis(grace_ms)),
        Ask::Configure(_) | Ask::Exec(_) | Ask::Attach(_) => {
            return Err(fault(FaultKind::InvalidArgument, "a second request within a call").into());
        }
    }
    Ok(())
}

/// Input that the command has not read yet.
#[derive(Debug, Default)]
struct Input {
    chunks: VecDeque<Bytes>,
    length: usize,
    is_ended: bool,
}

impl Input {
    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() && !self.is_ended {
            self.length += bytes.len();
            self.chunks.push_back(bytes);
        }
    }

    /// Hands on some of it, and its end behind the last of it. Without any it waits for ever.
    async fn write_to(&mut self, command: &Command) {
        let Some(first) = self.chunks.front_mut() else {
            if self.is_ended {
                command.stdin.close();
            }
            return pending().await;
        };
        let count = command.stdin.write(first).await;
        first.advance(count);
        self.length -= count;
        if first.is_empty() {
            self.chunks.pop_front();
        }
    }
}
