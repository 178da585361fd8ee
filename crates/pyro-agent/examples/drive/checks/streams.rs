//! Bytes, and connections that break.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Exec, Outcome, Verb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{argv, ensure, median, new_id, output, send_signal, shell};
use crate::host::{self, Failure, Given, Host};

pub(super) async fn bulk(socket: PathBuf) -> Result<String, Failure> {
    const BYTES: usize = 100_000_000;
    let host = Host::connect(&socket).await?;
    let before = anonymous_kib(&host).await?;
    let begun = Instant::now();
    let given = host
        .run(shell(&format!("yes \"$(printf '\\377')\" | head -c {BYTES}")))
        .await?;
    let took = begun.elapsed();
    ensure(
        given.ended.stdout_bytes == BYTES as u64 && given.stdout.len() == BYTES,
        &given.ended,
    )?;
    ensure(
        given.stdout.chunks_exact(2).all(|pair| pair == b"\xff\n"),
        "content",
    )?;
    let after = anonymous_kib(&host).await?;
    Ok(format!(
        "in {took:?}; anonymous memory of the guest {before} KiB before, {after} KiB after"
    ))
}

async fn anonymous_kib(host: &Host) -> Result<u64, Failure> {
    Ok(output(host, "awk '/AnonPages/{print $2}' /proc/meminfo")
        .await?
        .parse()?)
}

/// A stream that nobody reads neither grows in the guest nor blocks another.
pub(super) async fn blocked(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let before = anonymous_kib(&host).await?;
    let mut flood = argv(&["yes"]);
    flood.timeout_ms = 20_000;
    let (mut calls, ids) = (Vec::new(), [(); 8].map(|()| new_id()));
    for id in &ids {
        let exec = Exec {
            request_id: id.clone(),
            ..flood.clone()
        };
        calls.push(host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?);
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let after = anonymous_kib(&host).await?;
    for id in &ids {
        send_signal(&host, id, 0, 0).await?;
    }
    let mut lengths = Vec::new();
    for call in &mut calls {
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        ensure(given.ended.outcome() == Outcome::Cancelled, &given.ended)?;
        ensure(
            given.stdout.len() as u64 == given.ended.stdout_bytes,
            &given.ended,
        )?;
        lengths.push(given.stdout.len() / 1024);
    }
    Ok(format!(
        "8 floods: {} KiB more in the guest; KiB given {lengths:?}",
        after.saturating_sub(before)
    ))
}

pub(super) async fn stdin(socket: PathBuf) -> Result<String, Failure> {
    const CHUNKS: usize = 80;
    let host = Host::connect(&socket).await?;
    let cat = Exec {
        stdin: true,
        ..shell("sleep 0.3; cat")
    };
    let call = host.call(Verb::Exec, Some(Ask::Exec(cat)), false).await?;
    let (mut send, mut answers) = (call.send, call.answers);
    let chunk = Bytes::from(
        (0..64 * 1024)
            .map(|index| u8::try_from(index % 251).unwrap_or(0))
            .collect::<Vec<_>>(),
    );
    let sent = chunk.repeat(CHUNKS);
    let mut given = Given::default();
    let feed = async {
        for _ in 0..CHUNKS {
            host::say(&mut send, Ask::Stdin(chunk.clone()), false).await?;
        }
        host::say(&mut send, Ask::StdinEnd(true), true).await
    };
    let (fed, collected) = tokio::join!(feed, answers.collect(&mut given));
    fed?;
    collected?;
    ensure(given.stdout == sent, given.stdout.len())?;
    Ok(format!("{} bytes", sent.len()))
}

/// A command that reads no input, or only some, neither fails nor hangs.
pub(super) async fn half_closed(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let mut call = host
        .call(
            Verb::Exec,
            Some(Ask::Exec(Exec {
                stdin: true,
                ..shell("head -c 3; exec <&-; sleep 0.2; echo late")
            })),
            false,
        )
        .await?;
    for _ in 0..40 {
        host::say(
            &mut call.send,
            Ask::Stdin(Bytes::from_static(&[b'x'; 10_000])),
            false,
        )
        .await?;
    }
    let mut given = Given::default();
    call.answers.collect(&mut given).await?;
    ensure(
        given.stdout == b"xxxlate\n" && given.ended.outcome() == Outcome::Exited,
        &given,
    )?;
    ensure(
        host.run(argv(&["cat"])).await?.stdout.is_empty(),
        "no input is an empty one",
    )?;
    Ok(String::new())
}

/// Cuts the connection while a command prints, and finds every byte of it again.
pub(super) async fn cut(socket: PathBuf) -> Result<String, Failure> {
    let id = new_id();
    let string = "echo run >> /tmp/runs; seq 1 200000; sleep 0.3; echo end >&2";
    let exec = Exec {
        request_id: id.clone(),
        ..shell(&format!("rm -f /tmp/runs; {string}"))
    };
    let mut given = Given::default();
    let mut cuts = 0;
    loop {
        let host = Host::connect(&socket).await?;
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
    let host = Host::connect(&socket).await?;
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

pub(super) async fn reconnect(socket: PathBuf) -> Result<String, Failure> {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let host = Host::connect(&socket).await?;
        ensure(
            matches!(host.ask(Verb::Ping, None).await?, Answer::Done(_)),
            "done",
        )?;
        times.push(begun.elapsed());
    }
    Ok(format!("hello and ping p50 {:?}", median(times)))
}

/// A hello in the middle of a conversation, as after a restore that the guest did not notice, begins a new one.
pub(super) async fn hello_inside(socket: PathBuf) -> Result<String, Failure> {
    let (mut stream, _) = host::shake_hands(&socket).await?;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    // The acknowledgement tells that the agent has read all this, so that the hello arrives by itself.
    let (mut seen, acknowledgement) = (Vec::new(), b"\0\0\0\x04\x01\0\0\0\0");
    while !seen.windows(9).any(|window| window == acknowledgement) {
        ensure(stream.read_buf(&mut seen).await? > 0, "open")?;
    }
    let begun = Instant::now();
    host::greet(&mut stream).await?;
    Ok(format!("answered after {:?}", begun.elapsed()))
}

pub(super) async fn garbage(socket: PathBuf) -> Result<String, Failure> {
    for noise in [
        vec![0; 300_000],
        vec![0xff; 300_000],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff".repeat(50),
    ] {
        let (mut stream, _) = host::shake_hands(&socket).await?;
        // The agent may hang up before it has read all of it.
        drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&noise)).await);
    }
    let host = Host::connect(&socket).await?;
    let mut call = host.call(Verb::Exec, None, true).await?;
    ensure(
        matches!(call.answers.next().await?, Some(Answer::Fault(_))),
        "an empty request is refused",
    )?;
    output(&host, "echo well").await
}
