//! One call that follows a command: its output and end to the host, the host's input to it.

use std::future::pending;

use bytes::{Buf, Bytes};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Done, FaultKind, Started};

use super::command::{Command, Phase};
use crate::call::{Asks, CallError, Reply, fault};

/// Follows a command from where the host stands until its end, or until another call takes over.
///
/// # Errors
/// [`CallError`]; the command goes on in every case.
pub(crate) async fn follow(
    command: &Command,
    attach: &Attach,
    asks: &mut Asks,
    reply: &mut Reply<'_>,
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
    reply: &mut Reply<'_>,
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
///
/// # Errors
/// The [`Fault`](pyro_proto::message::Fault) with which it was refused.
pub(crate) async fn started(command: &Command) -> Result<u32, CallError> {
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

async fn send_output(command: &Command, attach: &Attach, reply: &mut Reply<'_>) -> Result<(), CallError> {
    let mut offsets = (attach.stdout_offset, attach.stderr_offset);
    let mut room = reply.output_limit();
    loop {
        // The end is looked at first: once it is known, no output comes any more.
        let phase = command.phase.borrow().clone();
        let stdout = command.stdout.take(offsets.0).unwrap_or_default();
        let stderr = command.stderr.take(offsets.1).unwrap_or_default();
        let (outs, errs) = (stdout.len() as u64, stderr.len() as u64);
        offsets = (offsets.0 + outs, offsets.1 + errs);
        match phase {
            _ if outs + errs > 0 => {
                for (bytes, wrap) in [
                    (stdout, Answer::Stdout as fn(Bytes) -> Answer),
                    (stderr, Answer::Stderr),
                ] {
                    if !bytes.is_empty() {
                        reply.send(wrap(bytes)).await?;
                    }
                }
                room = room.saturating_sub(outs + errs);
                if room == 0 {
                    return reply.finish(Answer::Done(Done {})).await;
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

/// Hands the host's input on, until the call breaks.
///
/// Input that the command does not read yet keeps its flow-control credit, so that the host feels it.
async fn take_input(command: &Command, asks: &mut Asks) -> CallError {
    loop {
        match asks.next().await {
            Ok(Some(Ask::Stdin(mut bytes))) => {
                while !bytes.is_empty() {
                    let count = command.stdin.write(&bytes).await;
                    bytes.advance(count);
                }
            }
            Ok(Some(Ask::StdinEnd(_))) => command.stdin.close(),
            Ok(Some(_)) => {
                return fault(FaultKind::InvalidArgument, "a second request within a call").into();
            }
            Ok(None) => return pending().await,
            Err(error) => return error,
        }
    }
}
