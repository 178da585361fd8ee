//! How processes end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Exec, Outcome, Verb};

use super::{argv, ensure, output, send_signal, shell, text};
use crate::host::{Failure, Given, Host};

pub(super) async fn timeout(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let stubborn = "setsid sh -c 'trap \"\" TERM; while :; do sleep 77; done' & echo begun; yes > /dev/null";
    let begun = Instant::now();
    let given = host
        .run(Exec {
            timeout_ms: 1000,
            grace_ms: 500,
            ..shell(stubborn)
        })
        .await?;
    let took = begun.elapsed();
    ensure(
        given.ended.outcome() == Outcome::TimedOut && given.stdout == b"begun\n",
        &given,
    )?;
    ensure(given.ended.left_running == 0, &given.ended)?;
    let left = output(&host, "cat /proc/[0-9]*/comm | grep -c -e yes -e sleep; true").await?;
    ensure(left == "0", &left)?;
    Ok(format!("took {took:?}"))
}

pub(super) async fn cancel(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let exec = shell("trap 'echo bye; exit' TERM; echo a; sleep 50 & wait");
    let id = exec.request_id.clone();
    let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
    let mut given = Given::default();
    while given.stdout.is_empty() {
        if let Some(Answer::Stdout(bytes)) = call.answers.next().await? {
            given.stdout.extend_from_slice(&bytes);
        }
    }
    send_signal(&host, &id, 0, 2000).await?;
    call.answers.collect(&mut given).await?;
    ensure(
        given.ended.outcome() == Outcome::Cancelled && given.stdout == b"a\nbye\n",
        &given,
    )?;
    Ok(String::new())
}

pub(super) async fn signal(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let exec = argv(&["sleep", "50"]);
    let id = exec.request_id.clone();
    let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
    send_signal(&host, &id, 10, 0).await?;
    let mut given = Given::default();
    call.answers.collect(&mut given).await?;
    ensure(
        given.ended.outcome() == Outcome::Signaled && given.ended.signal == 10,
        &given,
    )?;
    Ok(String::new())
}

pub(super) async fn left_running(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let begun = Instant::now();
    let writer =
        "(for i in 1 2 3 4 5 6 7 8; do sleep 0.5; echo tick; done; echo alive > /tmp/alive) & echo done";
    let given = host.run(shell(writer)).await?;
    let took = begun.elapsed();
    ensure(
        given.ended.left_running >= 1 && given.stdout.starts_with(b"done\n"),
        &given,
    )?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure(
        output(&host, "cat /tmp/alive").await? == "alive",
        "a closed pipe did not kill it",
    )?;
    let quiet = host.run(shell("sleep 33 > /dev/null 2>&1 & echo $!")).await?;
    ensure(quiet.ended.left_running == 1, &quiet)?;
    output(&host, &format!("kill {}", text(&quiet.stdout))).await?;
    Ok(format!("ended after {took:?}"))
}

pub(super) async fn kill_all(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let given = host.run(shell("kill -9 -1; kill -9 1; kill -9 $$")).await?;
    ensure(
        given.ended.outcome() == Outcome::Signaled && given.ended.signal == 9,
        &given,
    )?;
    output(&host, "echo still here").await
}

pub(super) async fn parallel(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let mut calls = Vec::new();
    for _ in 0..60 {
        calls.push(
            host.call(Verb::Exec, Some(Ask::Exec(shell("sleep 1; echo x"))), false)
                .await?,
        );
    }
    for call in &mut calls {
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        ensure(given.stdout == b"x\n", &given)?;
    }
    let left = output(&host, "ls -d /sys/fs/cgroup/commands/*/ | wc -l").await?;
    Ok(format!("cgroups left, with this one: {left}"))
}

pub(super) async fn oom(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let given = host.run(shell("tail /dev/zero")).await?;
    ensure(given.ended.oom_killed, &given.ended)?;
    output(&host, "echo survived").await
}

pub(super) async fn power_off(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let left = shell("trap 'echo end > /tmp/trapped; exit' TERM; sleep 1000 & wait");
    let _call = host.call(Verb::Exec, Some(Ask::Exec(left)), false).await?;
    let begun = Instant::now();
    let answer = host.ask(Verb::PowerOff, None).await?;
    let answered = begun.elapsed();
    ensure(matches!(answer, Answer::Done(_)), answer)?;
    drop(host);
    wait_until_gone(&socket).await;
    Ok(format!(
        "answered after {answered:?}, gone after {:?}",
        begun.elapsed()
    ))
}

async fn wait_until_gone(socket: &Path) {
    while tokio::net::UnixStream::connect(socket).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
