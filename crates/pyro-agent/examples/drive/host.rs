//! The host's side of the protocol, no larger than the checks need.

use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::Request;
use pyro_proto::frame::{self, Decoder};
use pyro_proto::handshake::{self, AgentHello, HelloReader, HostHello};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{AgentMessage, Ended, Exec, HostMessage, PATH_PREFIX, Verb};
use pyro_proto::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

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

/// Opens a byte stream and shakes hands on it.
pub(crate) async fn shake_hands(socket: &Path) -> Result<(UnixStream, AgentHello), Failure> {
    let mut stream = loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let hello = greet(&mut stream).await?;
    Ok((stream, hello))
}

/// Says hello and waits for the answer to it.
pub(crate) async fn greet(stream: &mut UnixStream) -> Result<AgentHello, Failure> {
    let mut random = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let session = Bytes::copy_from_slice(&random);
    let hello = HostHello {
        session: session.clone(),
        newest_version: PROTOCOL_VERSION,
        oldest_version: OLDEST_PROTOCOL_VERSION,
    };
    stream.write_all(&handshake::encode(&hello)).await?;
    let mut reader = HelloReader::default();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Err("the guest closed the stream".into());
        }
        reader.push(&buffer[..count]);
        while let Some(answer) = reader.next::<AgentHello>()? {
            if answer.session == session {
                return Ok(answer);
            }
        }
    }
}

impl Host {
    /// Connects to an agent.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, Failure> {
        let (stream, hello) = shake_hands(socket).await?;
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
                Answer::Done(_) => return Err("an answer of another verb".into()),
            }
        }
        Ok(())
    }
}
