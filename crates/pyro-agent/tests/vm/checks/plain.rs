//! One command in plain frames, right after the handshake.

use bytes::BytesMut;
use pyro_proto::frame::{self, Decoder};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{AgentMessage, Attach, Exec, FaultKind, HostMessage, Outcome, Verb};
use pyro_proto::{PLAIN_OUTPUT_BYTES, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{configuration, ensure, new_id, output, shell, text};
use crate::host::{self, Failure, Given};
use crate::machine::Machine;

/// A conversation in plain frames.
struct Plain {
    stream: UnixStream,
    decoder: Decoder,
}

impl Plain {
    async fn begin(machine: &Machine, asks: impl IntoIterator<Item = Ask>) -> Result<Self, Failure> {
        let (mut stream, _, rest) = host::shake_hands(&machine.socket()).await?;
        let mut request = BytesMut::new();
        for ask in asks {
            request.extend_from_slice(&frame::encode(&HostMessage { body: Some(ask) }));
        }
        stream.write_all(&request).await?;
        let mut decoder = Decoder::default();
        decoder.push(&rest);
        Ok(Self { stream, decoder })
    }

    async fn next(&mut self) -> Result<Answer, Failure> {
        loop {
            if let Some(message) = self.decoder.next::<AgentMessage>()? {
                return Ok(message.body.ok_or("a message of a known kind")?);
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).await?;
            ensure(count > 0, "the stream is open")?;
            self.decoder.push(&buffer[..count]);
        }
    }

    /// Takes messages up to the command's end, or to where the agent breaks off.
    async fn collect(&mut self) -> Result<(Given, bool), Failure> {
        let mut given = Given::default();
        loop {
            match self.next().await? {
                Answer::Started(started) => given.pid = started.pid,
                Answer::Stdout(bytes) => given.stdout.extend_from_slice(&bytes),
                Answer::Stderr(bytes) => given.stderr.extend_from_slice(&bytes),
                Answer::Ended(ended) => {
                    given.ended = ended;
                    return Ok((given, true));
                }
                Answer::Done(_) => return Ok((given, false)),
                Answer::Fault(fault) => return Err(fault.message.into()),
                other => return Err(format!("no answer of a command: {other:?}").into()),
            }
        }
    }
}

/// The machine has its identity before the command runs.
pub(crate) async fn plain_command(machine: &mut Machine) -> Result<String, Failure> {
    let id = "00112233445566778899aabbccddeeff";
    let configure = Ask::Configure(configuration("plainly", id)?);
    let exec = Ask::Exec(shell("hostname; cat /etc/machine-id; echo odd >&2; exit 3"));
    let (given, is_whole) = Plain::begin(machine, [configure, exec]).await?.collect().await?;
    ensure(
        is_whole && text(&given.stdout) == format!("plainly\n{id}") && given.stderr == b"odd\n",
        &given,
    )?;
    ensure(
        (given.ended.outcome(), given.ended.status) == (Outcome::Exited, 3),
        &given.ended,
    )?;
    output(&machine.connect().await?, "echo and then over HTTP/2").await
}

/// More output than plain frames carry goes on over HTTP/2, without a gap.
pub(crate) async fn plain_output(machine: &mut Machine) -> Result<String, Failure> {
    let exec = shell("seq 1 200000; echo end >&2");
    let id = exec.request_id.clone();
    let (mut given, is_whole) = Plain::begin(machine, [Ask::Exec(exec)]).await?.collect().await?;
    let plain = given.stdout.len() as u64;
    ensure(
        !is_whole && (PLAIN_OUTPUT_BYTES..u64::from(STREAM_WINDOW_BYTES)).contains(&plain),
        plain,
    )?;
    let attach = Attach {
        request_id: id,
        stdout_offset: plain,
        stderr_offset: given.stderr.len() as u64,
    };
    let host = machine.connect().await?;
    let mut call = host.call(Verb::Exec, Some(Ask::Attach(attach)), false).await?;
    call.answers.collect(&mut given).await?;
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    ensure(
        given.stdout == expected.as_bytes() && given.stderr == b"end\n",
        (given.stdout.len(), &given.ended),
    )?;
    Ok(format!("{plain} of {} bytes in plain frames", expected.len()))
}

/// A command whose stream breaks goes on, and is found again.
pub(crate) async fn plain_cut(machine: &mut Machine) -> Result<String, Failure> {
    let id = new_id();
    let exec = Exec {
        request_id: id.clone(),
        ..shell("echo begun; sleep 0.5; echo ended")
    };
    let mut plain = Plain::begin(machine, [Ask::Exec(exec)]).await?;
    ensure(matches!(plain.next().await?, Answer::Started(_)), "it runs")?;
    drop(plain);
    let attach = Attach {
        request_id: id,
        ..Attach::default()
    };
    let host = machine.connect().await?;
    let mut call = host.call(Verb::Exec, Some(Ask::Attach(attach)), false).await?;
    let mut given = Given::default();
    call.answers.collect(&mut given).await?;
    ensure(given.stdout == b"begun\nended\n", &given)?;
    Ok("found again".to_owned())
}

/// A machine that cannot be made its own runs nothing.
pub(crate) async fn plain_refusals(machine: &mut Machine) -> Result<String, Failure> {
    let configure = Ask::Configure(configuration("other", "not an id")?);
    let exec = Ask::Exec(shell("touch /tmp/ran"));
    let answer = Plain::begin(machine, [configure, exec]).await?.next().await?;
    ensure(
        matches!(&answer, Answer::Fault(fault) if fault.kind() == FaultKind::Unconfigured),
        answer,
    )?;
    for (asks, kind) in [
        (vec![Ask::StdinEnd(true)], FaultKind::InvalidArgument),
        (
            vec![Ask::Exec(Exec {
                cwd: "/missing".into(),
                ..shell("true")
            })],
            FaultKind::InvalidArgument,
        ),
        (vec![Ask::Attach(Attach::default())], FaultKind::UnknownCommand),
    ] {
        let answer = Plain::begin(machine, asks).await?.next().await?;
        ensure(
            matches!(&answer, Answer::Fault(fault) if fault.kind() == kind),
            answer,
        )?;
    }
    output(&machine.connect().await?, "! test -e /tmp/ran").await
}
