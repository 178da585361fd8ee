//! The host's side of the protocol, no larger than the checks need.

use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::io::{Cursor, Read};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::Request;
use pyro_proto::frame::{self, Decoder};
use pyro_proto::handshake::{self, AgentHello, HelloReader, HostHello, NONCE_BYTES};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{AgentMessage, Ended, Exec, HostMessage, PATH_PREFIX, Verb};
use pyro_proto::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// How long an answer to a hello may take before the hello is repeated.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// What checks fail with.
pub(crate) type Failure = Box<dyn Error>;

/// A conversation with an agent. Dropping it cuts the connection.
pub(crate) struct Host {
    /// What the agent said first.
    pub(crate) hello: AgentHello,
    requests: SendRequest<Bytes>,
    _driver: JoinSet<()>,
}

/// A call under way.
pub(crate) struct Call {
    /// Where the rest of the request goes.
    pub(crate) send: SendStream<Bytes>,
    /// Where the answers come from.
    pub(crate) answers: Answers,
}

/// The answers of a call.
pub(crate) struct Answers {
    body: RecvStream,
    decoder: Decoder,
}

/// All that a command gave.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Its process id in the guest.
    pub(crate) pid: u32,
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: Vec<u8>,
    /// How it ended.
    pub(crate) ended: Ended,
}

/// Opens a byte stream and shakes hands on it; gives what came after the answer, too.
pub(crate) async fn shake_hands(socket: &Path) -> Result<(UnixStream, AgentHello, BytesMut), Failure> {
    let mut stream = UnixStream::connect(socket).await?;
    let (hello, rest) = greet(&mut stream).await?;
    Ok((stream, hello, rest))
}

/// Makes a hello of a new session.
pub(crate) fn new_hello() -> Result<HostHello, Failure> {
    let mut random = [0; NONCE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(HostHello {
        session: Bytes::copy_from_slice(&random),
        newest_version: PROTOCOL_VERSION,
        oldest_version: OLDEST_PROTOCOL_VERSION,
    })
}

/// Says hello until it is answered; gives what came after the answer, too.
pub(crate) async fn greet(stream: &mut UnixStream) -> Result<(AgentHello, BytesMut), Failure> {
    let hello = new_hello()?;
    let mut reader = HelloReader::default();
    let mut buffer = [0; 4096];
    loop {
        stream.write_all(&handshake::encode(&hello)).await?;
        let answered = async {
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Err("the guest closed the stream".into());
                }
                reader.push(&buffer[..count]);
                while let Some(answer) = reader.next::<AgentHello>()? {
                    if answer.session == hello.session {
                        return Ok::<_, Failure>(answer);
                    }
                }
            }
        };
        // A hello that arrives behind old bytes is lost with them, so it is repeated, as the product does.
        if let Ok(answer) = tokio::time::timeout(REPEAT_AFTER, answered).await {
            return Ok((answer?, reader.into_rest()));
        }
    }
}

impl Host {
    /// Connects to an agent.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, Failure> {
        let (stream, hello, rest) = shake_hands(socket).await?;
        Self::converse(stream, hello, rest).await
    }

    /// Begins to converse on a byte stream on which hands were shaken.
    pub(crate) async fn converse(
        stream: UnixStream,
        hello: AgentHello,
        rest: BytesMut,
    ) -> Result<Self, Failure> {
        let (reader, writer) = stream.into_split();
        let stream = tokio::io::join(AsyncReadExt::chain(Cursor::new(rest), reader), writer);
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(i32::MAX.unsigned_abs())
            .max_frame_size(64 * 1024)
            .handshake(stream)
            .await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok(Self {
            hello,
            requests,
            _driver: driver,
        })
    }

    /// Begins a call with its first message.
    pub(crate) async fn call(&self, verb: Verb, first: Option<Ask>, is_last: bool) -> Result<Call, Failure> {
        let uri = format!("http://guest{PATH_PREFIX}{}", verb.name());
        let mut requests = self.requests.clone().ready().await?;
        let (response, send) = requests.send_request(Request::post(uri).body(())?, first.is_none())?;
        let mut call = Some(send);
        if let (Some(first), Some(send)) = (first, &mut call) {
            say(send, first, is_last).await?;
        }
        let body = response.await?.into_body();
        let send = call.ok_or("the stream is kept")?;
        Ok(Call {
            send,
            answers: Answers {
                body,
                decoder: Decoder::default(),
            },
        })
    }

    /// Asks for something that is answered by one message.
    pub(crate) async fn ask(&self, verb: Verb, first: Option<Ask>) -> Result<Answer, Failure> {
        let mut call = self.call(verb, first, true).await?;
        call.answers.next().await?.ok_or_else(|| "no answer".into())
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, exec: Exec) -> Result<Given, Failure> {
        let mut call = self.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        Ok(given)
    }
}

/// Sends a message as the window allows.
pub(crate) async fn say(send: &mut SendStream<Bytes>, ask: Ask, is_last: bool) -> Result<(), Failure> {
    let mut bytes = frame::encode(&HostMessage { body: Some(ask) });
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        while send.capacity() == 0 {
            poll_fn(|context| send.poll_capacity(context))
                .await
                .ok_or("the stream is closed")??;
        }
        let count = send.capacity().min(bytes.len());
        let chunk = bytes.split_to(count);
        send.send_data(chunk, is_last && bytes.is_empty())?;
    }
    Ok(())
}

impl Answers {
    /// The next answer, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Answer>, Failure> {
        loop {
            if let Some(message) = self.decoder.next::<AgentMessage>()? {
                return Ok(message.body);
            }
            let Some(bytes) = self.body.data().await else {
                return Ok(None);
            };
            let bytes = bytes?;
            self.body.flow_control().release_capacity(bytes.len())?;
            self.decoder.push(&bytes);
        }
    }

    /// Takes everything until the end of the command.
    pub(crate) async fn collect(&mut self, given: &mut Given) -> Result<(), Failure> {
        while let Some(answer) = self.next().await? {
            match answer {
                Answer::Started(started) => given.pid = started.pid,
                Answer::Stdout(bytes) => given.stdout.extend_from_slice(&bytes),
                Answer::Stderr(bytes) => given.stderr.extend_from_slice(&bytes),
                Answer::Ended(ended) => given.ended = ended,
                Answer::Fault(fault) => return Err(fault.message.into()),
                other => return Err(format!("an answer of another verb: {other:?}").into()),
            }
        }
        Ok(())
    }
}
