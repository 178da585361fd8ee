//! How processes end.

use std::fs;

use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Exec, Outcome, Verb};

use crate::agent::{Agent, PATIENCE, is_alive, until};
use crate::calls::{argv, ensure, output, send_signal, shell, text};
use crate::hold;
use crate::host::{Failure, Given, Host};

/// Leaves its session and its parents behind, and says who it is.
const DAEMON: &str = "(setsid sh -c '(trap \"\" TERM; echo $$ > daemon.new; mv daemon.new daemon; \
                      while :; do sleep 77; done) > /dev/null 2>&1 < /dev/null & echo $! > child; \
                      mv child pid.child' &) ; until [ -s pid.child ]; do sleep 0.01; done";

async fn daemon(agent: &Agent, host: &Host) -> Result<String, Failure> {
    let given = host.run(shell(DAEMON)).await?;
    ensure(given.ended.outcome() == Outcome::Exited, &given)?;
    // The daemon, and what it sleeps with.
    ensure((1..=2).contains(&given.ended.left_running), &given)?;
    let pid = fs::read_to_string(agent.dir().join("tree/pid.child"))?
        .trim()
        .to_owned();
    ensure(is_alive(&pid), "it lives on")?;
    Ok(pid)
}

#[test]
fn daemons_end_at_the_time_limit() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let given = host
            .run(Exec {
                timeout_ms: 3000,
                grace_ms: 300,
                ..shell(&format!("{DAEMON}; echo begun; yes > /dev/null"))
            })
            .await?;
        ensure(
            given.ended.outcome() == Outcome::TimedOut && given.stdout == b"begun\n",
            &given,
        )?;
        ensure(given.ended.left_running == 0, &given.ended)?;
        let pid = fs::read_to_string(agent.dir().join("tree/pid.child"))?;
        ensure(!is_alive(pid.trim()), "the daemon is gone")
    });
}

#[test]
fn a_command_does_not_end_what_another_one_left() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let pid = daemon(&agent, &host).await?;
        let given = host
            .run(Exec {
                timeout_ms: 200,
                ..argv(&["sleep", "77"])
            })
            .await?;
        ensure(given.ended.outcome() == Outcome::TimedOut, &given)?;
        ensure(is_alive(&pid), "it lives on")?;
        // Orphans that have ended are reaped.
        output(&host, &format!("kill -9 {pid}")).await?;
        until("it is reaped", || {
            !fs::exists(format!("/proc/{pid}")).unwrap_or(true)
        })
        .await
    });
}

#[test]
fn a_command_is_ended_by_signals() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
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
        let exec = shell("trap 'echo bye; exit' TERM; echo a; while :; do :; done");
        let id = exec.request_id.clone();
        let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
        let mut given = Given::default();
        while given.stdout.is_empty() {
            if let Some(Answer::Stdout(bytes)) = call.answers.next().await? {
                given.stdout.extend_from_slice(&bytes);
            }
        }
        send_signal(&host, &id, 0, 30_000).await?;
        call.answers.collect(&mut given).await?;
        ensure(
            given.ended.outcome() == Outcome::Cancelled && given.stdout == b"a\nbye\n",
            &given,
        )
    });
}

#[test]
fn the_end_of_the_host_is_the_end_of_everything() {
    hold(Agent::start, async |mut agent| {
        let host = agent.connect_to_workspace().await?;
        let left = daemon(&agent, &host).await?;
        let exec = shell("echo $$; sleep 77");
        let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
        let running = loop {
            if let Some(Answer::Stdout(bytes)) = call.answers.next().await? {
                break text(&bytes).to_owned();
            }
        };
        ensure(is_alive(&running), "it runs")?;
        agent.hang_up();
        ensure(agent.ended().await?.success(), "it ends well")?;
        ensure(!is_alive(&left) && !is_alive(&running), "nothing is left")
    });
}

#[test]
fn an_agent_that_is_killed_leaves_nothing() {
    hold(Agent::start, async |mut agent| {
        let host = agent.connect_to_workspace().await?;
        let left = daemon(&agent, &host).await?;
        agent.kill()?;
        until("nothing is left", || !is_alive(&left)).await?;
        // Not even where it is the process beneath that is killed.
        agent.start_again()?;
        let host = agent.connect_to_workspace().await?;
        let left = daemon(&agent, &host).await?;
        agent.kill_server().await?;
        ensure(!is_alive(&left), "nothing is left")
    });
}

#[test]
fn power_off_lets_commands_end_first() {
    hold(Agent::start, async |mut agent| {
        let host = agent.connect_to_workspace().await?;
        let left = daemon(&agent, &host).await?;
        let exec = shell("trap 'echo end; exit' TERM; echo begun; while :; do :; done");
        let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
        while !matches!(call.answers.next().await?, Some(Answer::Stdout(_))) {}
        let told = async {
            loop {
                match call.answers.next().await?.ok_or("it tells nothing more")? {
                    Answer::Stdout(bytes) if bytes == "end\n" => return Ok::<_, Failure>(()),
                    _ => {}
                }
            }
        };
        let (answer, told) = tokio::join!(
            host.ask(Verb::PowerOff, None),
            tokio::time::timeout(PATIENCE, told)
        );
        let answer = answer?;
        ensure(matches!(answer, Answer::Done(_)), answer)?;
        told??;
        drop(host);
        ensure(agent.ended().await?.success(), "it ends well")?;
        ensure(!is_alive(&left), "nothing is left")
    });
}
