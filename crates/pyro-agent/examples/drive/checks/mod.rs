//! The claims.

mod commands;
mod processes;
mod streams;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Exec, FaultKind, Outcome, Signal, Verb};

use crate::host::{Failure, Host};

type Check = fn(PathBuf) -> Pin<Box<dyn Future<Output = Result<String, Failure>>>>;

macro_rules! checks {
    ($($module:ident :: $name:ident $is_routine:literal),* $(,)?) => {
        /// Every check, and whether it leaves the guest as usable as before.
        pub(crate) const ALL: &[(&str, bool, Check)] =
            &[$((stringify!($name), $is_routine, |socket| Box::pin($module::$name(socket)))),*];
    };
}

checks! {
    commands::ping true,
    commands::configure true,
    commands::plain true,
    commands::ends true,
    commands::refusals true,
    commands::users true,
    commands::environment true,
    commands::latency true,
    streams::bulk true,
    streams::blocked true,
    streams::stdin true,
    streams::half_closed true,
    processes::timeout true,
    processes::cancel true,
    processes::signal true,
    processes::left_running true,
    processes::kill_all true,
    processes::parallel true,
    streams::cut true,
    streams::reconnect true,
    streams::hello_inside true,
    streams::garbage true,
    commands::rename true,
    processes::oom false,
    commands::lean false,
    processes::power_off false,
}

/// Runs a shell string and gives what it printed.
pub(crate) async fn run(socket: &Path, string: &str) -> Result<String, Failure> {
    let given = Host::connect(socket).await?.run(shell(string)).await?;
    Ok(format!(
        "{}{}{:?}",
        String::from_utf8_lossy(&given.stdout),
        String::from_utf8_lossy(&given.stderr),
        given.ended
    ))
}

fn ensure(holds: bool, otherwise: impl std::fmt::Debug) -> Result<(), Failure> {
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

fn text(bytes: &[u8]) -> &str {
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
