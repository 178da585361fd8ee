//! Bytes, and connections that break.

use std::time::Instant;

use bytes::Bytes;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Exec, FaultKind, Outcome, Verb};

use super::{argv, ensure, new_id, output, refusal, send_signal, shell};
use crate::host::{self, Failure, Given, Host};
use crate::machine::Machine;

/// How much more of the guest's memory anything here may take.
const MEMORY_KIB: u64 = 16 * 1024;

pub(crate) async fn bulk(machine: &mut Machine) -> Result<String, Failure> {
    const BYTES: usize = 30_000_000;
    let host = machine.connect().await?;
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
    ensure(after < before + MEMORY_KIB, (before, after))?;
    Ok(format!(
        "in {took:?}; {before} KiB of the guest in use before, {after} KiB after"
    ))
}

async fn anonymous_kib(host: &Host) -> Result<u64, Failure> {
    Ok(output(host, "awk '/AnonPages/{print $2}' /proc/meminfo")
        .await?
        .parse()?)
}

/// Ends when what the floods have written does not grow any more.
const STANDSTILL: &str = "until [ \"$sum\" = \"${last:-none}\" ]; do \
                              last=$sum; sleep 0.3; \
                              sum=$(for comm in $(grep -lx yes /proc/[0-9]*/comm); do cat ${comm%comm}io; done \
                                    | awk '/^wchar/{all+=$2} END{print all}'); \
                          done";

/// A stream that nobody reads neither grows in the guest nor blocks another.
pub(crate) async fn blocked(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let before = anonymous_kib(&host).await?;
    let mut flood = argv(&["yes"]);
    flood.timeout_ms = 60_000;
    let (mut calls, ids) = (Vec::new(), [(); 8].map(|()| new_id()));
    for id in &ids {
        let exec = Exec {
            request_id: id.clone(),
            ..flood.clone()
        };
        calls.push(host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?);
    }
    output(&host, STANDSTILL).await?;
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
    ensure(after < before + MEMORY_KIB, (before, after))?;
    Ok(format!(
        "{before} KiB of the guest in use before, {after} KiB after; KiB given {lengths:?}"
    ))
}

pub(crate) async fn stdin(machine: &mut Machine) -> Result<String, Failure> {
    const CHUNKS: usize = 80;
    let host = machine.connect().await?;
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
pub(crate) async fn half_closed(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
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

/// The end of a command can be asked for long after it; its output while not too much has ended since.
pub(crate) async fn kept_output(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let first = shell("head -c 300000 /dev/zero");
    let given = host.run(first.clone()).await?;
    ensure(
        host.run(first.clone()).await?.stdout == given.stdout,
        "the output is kept",
    )?;
    // Half as much again as is kept of all ended commands together, however little each takes of memory.
    for _ in 0..21 {
        host.run(shell("head -c 300000 /dev/zero")).await?;
    }
    ensure(
        refusal(&host, first.clone()).await? == FaultKind::InvalidArgument,
        "output that is gone is not made up",
    )?;
    let attach = Attach {
        request_id: first.request_id,
        stdout_offset: given.ended.stdout_bytes,
        stderr_offset: 0,
    };
    let mut call = host.call(Verb::Exec, Some(Ask::Attach(attach)), false).await?;
    let mut again = Given::default();
    call.answers.collect(&mut again).await?;
    ensure(again.ended == given.ended, &again)?;
    Ok(String::new())
}
