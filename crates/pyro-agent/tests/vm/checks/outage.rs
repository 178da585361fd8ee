//! Connections that break, and streams that begin in the middle.

use std::time::{Duration, Instant};

use pyro_proto::handshake::{self, AgentHello, HelloReader};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Exec, Verb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{ensure, median, new_id, output, shell};
use crate::host::{self, Failure, Given, Host};
use crate::machine::Machine;

/// Cuts the connection while a command prints, and finds every byte of it again.
pub(crate) async fn cut(machine: &mut Machine) -> Result<String, Failure> {
    let id = new_id();
    let string = "echo run >> /tmp/runs; seq 1 200000; sleep 0.3; echo end >&2";
    let exec = Exec {
        request_id: id.clone(),
        ..shell(&format!("rm -f /tmp/runs; {string}"))
    };
    let mut given = Given::default();
    let mut cuts = 0;
    loop {
        let host = machine.connect().await?;
        let ask = if cuts == 0 {
            Ask::Exec(exec.clone())
        } else {
            let (stdout_offset, stderr_offset) = (given.stdout.len() as u64, given.stderr.len() as u64);
            Ask::Attach(Attach {
                request_id: id.clone(),
                stdout_offset,
                stderr_offset,
            })
        };
        let mut call = host.call(Verb::Exec, Some(ask), false).await?;
        if cuts == 10 {
            call.answers.collect(&mut given).await?;
            break;
        }
        for _ in 0..3 {
            match call.answers.next().await? {
                Some(Answer::Stdout(bytes)) => given.stdout.extend_from_slice(&bytes),
                Some(Answer::Stderr(bytes)) => given.stderr.extend_from_slice(&bytes),
                _ => {}
            }
        }
        cuts += 1;
    }
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    ensure(
        given.stdout == expected.as_bytes() && given.stderr == b"end\n",
        (given.stdout.len(), &given.ended),
    )?;
    let host = machine.connect().await?;
    ensure(output(&host, "cat /tmp/runs").await? == "run", "ran once")?;
    let again = host.ask(Verb::Exec, Some(Ask::Exec(exec))).await?;
    ensure(
        matches!(again, Answer::Fault(_)),
        "a repeated start whose output is gone says so",
    )?;
    let small = shell("echo once");
    let (first, second) = (host.run(small.clone()).await?, host.run(small).await?);
    ensure(first.pid == second.pid && first.stdout == second.stdout, second)?;
    Ok(format!("{cuts} cuts, {} bytes", given.stdout.len()))
}

pub(crate) async fn reconnect(machine: &mut Machine) -> Result<String, Failure> {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let host = machine.connect().await?;
        ensure(
            matches!(host.ask(Verb::Ping, None).await?, Answer::Done(_)),
            "done",
        )?;
        times.push(begun.elapsed());
    }
    Ok(format!("hello and ping p50 {:?}", median(times)))
}

/// A hello in the middle of a conversation, as after a restore that the guest did not notice, begins a new one.
pub(crate) async fn hello_inside(machine: &mut Machine) -> Result<String, Failure> {
    let mut stream = converse_by_hand(machine).await?;
    let begun = Instant::now();
    host::greet(&mut stream).await?;
    Ok(format!("answered after {:?}", begun.elapsed()))
}

/// A hello that comes in one piece with older bytes is lost with them, and the repeated one is answered.
pub(crate) async fn hello_behind_old_bytes(machine: &mut Machine) -> Result<String, Failure> {
    let mut stream = converse_by_hand(machine).await?;
    let mut old = b"\0\xff\0\0\0\0\0\0\x01 the rest of a frame that never came to its end".to_vec();
    old.extend_from_slice(&handshake::encode(&host::new_hello()?));
    stream.write_all(&old).await?;
    let begun = Instant::now();
    host::greet(&mut stream).await?;
    Ok(format!("answered after {:?}", begun.elapsed()))
}

/// A hello that was repeated although its answer was under way does not disturb the conversation.
pub(crate) async fn hello_twice(machine: &mut Machine) -> Result<String, Failure> {
    let mut stream = UnixStream::connect(machine.socket()).await?;
    let hello = host::new_hello()?;
    let mut reader = HelloReader::default();
    stream.write_all(&handshake::encode(&hello)).await?;
    let answer = loop {
        if let Some(answer) = reader.next::<AgentHello>()? {
            break answer;
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await?;
        ensure(count > 0, "open")?;
        reader.push(&buffer[..count]);
    };
    stream.write_all(&handshake::encode(&hello)).await?;
    let host = Host::converse(stream, answer, reader.into_rest()).await?;
    output(&host, "echo undisturbed").await
}

/// Begins a conversation, and returns once the agent waits for its first frame.
async fn converse_by_hand(machine: &Machine) -> Result<UnixStream, Failure> {
    let (mut stream, _, rest) = host::shake_hands(&machine.socket()).await?;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    // The acknowledgement tells that the agent has read all this, so that what follows arrives by itself.
    let (mut seen, acknowledgement) = (rest, b"\0\0\0\x04\x01\0\0\0\0");
    while !seen.windows(9).any(|window| window == acknowledgement) {
        ensure(stream.read_buf(&mut seen).await? > 0, "open")?;
    }
    Ok(stream)
}

pub(crate) async fn garbage(machine: &mut Machine) -> Result<String, Failure> {
    for noise in [
        vec![0; 300_000],
        vec![0xff; 300_000],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff".repeat(50),
    ] {
        let (mut stream, ..) = host::shake_hands(&machine.socket()).await?;
        // The agent may hang up before it has read all of it.
        drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&noise)).await);
    }
    let host = machine.connect().await?;
    let mut call = host.call(Verb::Exec, None, true).await?;
    ensure(
        matches!(call.answers.next().await?, Some(Answer::Fault(_))),
        "an empty request is refused",
    )?;
    output(&host, "echo well").await
}
