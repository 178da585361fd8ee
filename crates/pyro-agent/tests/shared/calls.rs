//! The host's calls about commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Configure, Exec, FaultKind, Outcome, Signal, Verb};

use crate::host::{Failure, Host};

/// A claim, and what is told if it does not hold.
pub(crate) fn ensure(holds: bool, otherwise: impl std::fmt::Debug) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {otherwise:?}").into())
    }
}

/// A request id that no other request has.
pub(crate) fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", now.as_nanos(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A program with its arguments.
pub(crate) fn argv(words: &[&str]) -> Exec {
    let argv = words
        .iter()
        .map(|word| Bytes::copy_from_slice(word.as_bytes()))
        .collect();
    Exec {
        request_id: new_id(),
        argv,
        grace_ms: 2000,
        ..Exec::default()
    }
}

/// A string for the shell.
pub(crate) fn shell(string: &str) -> Exec {
    Exec {
        shell: Some(Bytes::copy_from_slice(string.as_bytes())),
        ..argv(&[])
    }
}

/// Bytes without the blanks at their end, if they are text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("(not text)").trim_end()
}

/// What a shell string prints; it must end well.
pub(crate) async fn output(host: &Host, string: &str) -> Result<String, Failure> {
    let given = host.run(shell(string)).await?;
    ensure(
        given.ended.outcome() == Outcome::Exited && given.ended.status == 0,
        &given,
    )?;
    Ok(text(&given.stdout).to_owned())
}

/// Sends a signal to a command; 0 asks for its end.
pub(crate) async fn send_signal(host: &Host, id: &str, number: i32, grace_ms: u64) -> Result<(), Failure> {
    let signal = Signal {
        request_id: id.to_owned(),
        number,
        grace_ms,
    };
    let answer = host.ask(Verb::Signal, Some(Ask::Signal(signal))).await?;
    ensure(matches!(answer, Answer::Done(_)), answer)
}

/// How a command is refused.
pub(crate) async fn refusal(host: &Host, exec: Exec) -> Result<FaultKind, Failure> {
    match host.ask(Verb::Exec, Some(Ask::Exec(exec))).await? {
        Answer::Fault(fault) => Ok(fault.kind()),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

/// A configuration as the product gives it.
pub(crate) fn configuration(hostname: &str, machine_id: &str) -> Result<Configure, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Configure {
        hostname: hostname.to_owned(),
        machine_id: machine_id.to_owned(),
        realtime_ns: u64::try_from(now.as_nanos())?,
        entropy: Bytes::from_static(&[7; 64]),
        nonce: Bytes::new(),
        workspace: None,
    })
}

/// Applies a configuration.
pub(crate) async fn configure(host: &Host, configuration: Configure) -> Result<(), Failure> {
    let answer = host
        .ask(Verb::Configure, Some(Ask::Configure(configuration)))
        .await?;
    ensure(matches!(answer, Answer::Done(_)), answer)
}
