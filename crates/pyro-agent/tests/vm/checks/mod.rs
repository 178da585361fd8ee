//! The claims. Each leaves the machine as usable as before, unless it is the last one that its machine stands.

pub(crate) mod changes;
pub(crate) mod commands;
pub(crate) mod files;
pub(crate) mod outage;
pub(crate) mod plain;
pub(crate) mod processes;
pub(crate) mod puts;
pub(crate) mod root;
pub(crate) mod seed;
pub(crate) mod streams;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Configure, Exec, FaultKind, Outcome, Signal, Verb};

use crate::host::{Failure, Host};
use crate::machine::Machine;

/// Holds a machine to a claim, and gives what it measured.
pub(crate) type Check = fn(&mut Machine) -> Pin<Box<dyn Future<Output = Result<String, Failure>> + '_>>;

/// Checks with their names.
macro_rules! checks {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$({
            let check: Check = |machine| Box::pin($module::$name(machine));
            (stringify!($name), check)
        }),*]
    };
}

pub(crate) use checks;

pub(crate) fn ensure(holds: bool, otherwise: impl std::fmt::Debug) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {otherwise:?}").into())
    }
}

fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", now.as_nanos(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn argv(words: &[&str]) -> Exec {
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

fn shell(string: &str) -> Exec {
    Exec {
        shell: Some(Bytes::copy_from_slice(string.as_bytes())),
        ..argv(&[])
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("(not text)").trim_end()
}

async fn output(host: &Host, string: &str) -> Result<String, Failure> {
    let given = host.run(shell(string)).await?;
    ensure(
        given.ended.outcome() == Outcome::Exited && given.ended.status == 0,
        &given,
    )?;
    Ok(text(&given.stdout).to_owned())
}

async fn send_signal(host: &Host, id: &str, number: i32, grace_ms: u64) -> Result<(), Failure> {
    let signal = Signal {
        request_id: id.to_owned(),
        number,
        grace_ms,
    };
    let answer = host.ask(Verb::Signal, Some(Ask::Signal(signal))).await?;
    ensure(matches!(answer, Answer::Done(_)), answer)
}

async fn refusal(host: &Host, exec: Exec) -> Result<FaultKind, Failure> {
    match host.ask(Verb::Exec, Some(Ask::Exec(exec))).await? {
        Answer::Fault(fault) => Ok(fault.kind()),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
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

async fn configure(host: &Host, configuration: Configure) -> Result<(), Failure> {
    let answer = host
        .ask(Verb::Configure, Some(Ask::Configure(configuration)))
        .await?;
    ensure(matches!(answer, Answer::Done(_)), answer)
}
