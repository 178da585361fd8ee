//! From a fresh byte stream to a conversation: handshake first, then HTTP/2.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use pyro_proto::handshake::{self, AgentHello, HelloReader, HostHello};
use pyro_proto::message::{self, HostMessage, Verb, agent_message, host_message};
use pyro_proto::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::GuestError;
use super::call::{CallReceiver, CallSender, broken};

/// The largest window that HTTP/2 knows (RFC 9113, section 6.9.1): no stream ever waits for another.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// The largest HTTP/2 frame that is accepted, in bytes: one chunk of output and its prefix.
const CHUNK_FRAME_BYTES: u32 = 128 * 1024;

/// How long a hello on a stream that replaces another may go unanswered before it is repeated.
///
/// A hello that arrives behind the rest of the old conversation may be taken for a part of it.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The longest headers that are accepted, in bytes; an agent sends next to none.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// A byte stream on which hands were shaken with the right agent. Dropping it closes the stream.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(super) stream: UnixStream,
    /// What came after the agent's hello.
    pub(super) rest: BytesMut,
    hello: AgentHello,
}

/// A multiplexed connection to an agent. Dropping it closes the byte stream; commands go on.
#[derive(Debug)]
pub(crate) struct Connection {
    caller: Caller,
    driver: AbortOnDropHandle<()>,
}

/// Makes calls on a [`Connection`], for as long as that lives.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    requests: h2::client::SendRequest<Bytes>,
    /// Tells connections apart.
    number: u64,
}

/// Whether a hello is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The stream is the guest's first: the hello waits in it for the agent.
    Never,
    /// The stream replaces another.
    UntilAnswered,
}

impl Greeted {
    /// Greets the agent at the other end and makes sure that it belongs to this boot.
    ///
    /// Waits for as long as the guest takes; the caller bounds it.
    ///
    /// # Errors
    /// [`GuestError`] if the stream ended or something else than this boot's agent answered.
    pub(crate) async fn open(
        mut stream: UnixStream,
        boot_nonce: &[u8],
        repeat: Repeat,
    ) -> Result<Self, GuestError> {
        let versions = (OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION);
        let (hello, rest) = greet(&mut stream, versions, repeat).await?;
        check(&hello, boot_nonce)?;
        Ok(Self { stream, rest, hello })
    }

    /// What the agent said of itself and its guest.
    pub(crate) fn hello(&self) -> &AgentHello {
        &self.hello
    }

    /// Begins to speak HTTP/2.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the stream ended.
    pub(crate) async fn connect(self) -> Result<Connection, GuestError> {
        let Self { stream, rest, .. } = self;
        let (reader, writer) = stream.into_split();
        let stream = tokio::io::join(std::io::Cursor::new(rest).chain(reader), writer);
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(CHUNK_FRAME_BYTES)
            .max_header_list_size(MAX_HEADER_BYTES)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(broken)?;
        // How it ended is seen by every call on it.
        let driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Connection {
            caller: Caller { requests, number },
            driver,
        })
    }
}

impl Connection {
    /// Closes the byte stream; once this returns, the other end sees it closed.
    pub(crate) async fn close(self) {
        self.driver.abort();
        let _how_it_ended = self.driver.await;
    }

    /// What makes calls on it.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl Caller {
    /// Whether both belong to one connection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.number == other.number
    }

    /// Sends one request and waits for its answer.
    pub(super) async fn request(
        &self,
        verb: Verb,
        body: Option<host_message::Body>,
    ) -> Result<(), GuestError> {
        ask_once(self.open_call(verb).await?, verb, body).await
    }

    /// Opens a call and sends its first message.
    pub(super) async fn open_with(
        &self,
        verb: Verb,
        body: host_message::Body,
    ) -> Result<(CallSender, CallReceiver), GuestError> {
        let (mut sender, receiver) = self.open_call(verb).await?;
        sender.send(&HostMessage { body: Some(body) }).await?;
        Ok((sender, receiver))
    }

    /// Opens a call.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke.
    pub(crate) async fn open_call(&self, verb: Verb) -> Result<(CallSender, CallReceiver), GuestError> {
        let uri = format!("http://guest{}{}", message::PATH_PREFIX, verb.name());
        let request = Request::builder().method(Method::POST).uri(uri).body(());
        let request = request.expect("every verb's name makes a valid path");
        let mut requests = self.requests.clone().ready().await.map_err(broken)?;
        let (response, stream) = requests.send_request(request, false).map_err(broken)?;
        Ok((CallSender::new(stream), CallReceiver::new(response)))
    }
}

/// Makes a request whose answer carries nothing, on a call that was opened for it.
///
/// # Errors
/// [`GuestError`] if the agent refused or the connection broke.
pub(crate) async fn ask_once(
    (mut sender, mut receiver): (CallSender, CallReceiver),
    verb: Verb,
    body: Option<host_message::Body>,
) -> Result<(), GuestError> {
    if let Some(body) = body {
        sender.send(&HostMessage { body: Some(body) }).await?;
    }
    sender.finish()?;
    match receiver.next().await? {
        Some(agent_message::Body::Done(_)) => Ok(()),
        Some(agent_message::Body::Fault(fault)) => Err(GuestError::Refused(fault)),
        Some(_) => Err(GuestError::Nonsense {
            problem: format!("an answer of another call to `{}`", verb.name()),
        }),
        None => Err(GuestError::Nonsense {
            problem: format!("no answer to `{}`", verb.name()),
        }),
    }
}

/// Waits until the agent at the other end has ended every conversation and waits for the next hello.
///
/// # Errors
/// [`GuestError`] if the stream ended or something else than this boot's agent answered.
pub(crate) async fn wait_until_idle(stream: &mut UnixStream, boot_nonce: &[u8]) -> Result<(), GuestError> {
    let (hello, _) = greet(stream, (0, 0), Repeat::UntilAnswered).await?;
    if hello.boot_nonce == boot_nonce {
        Ok(())
    } else {
        Err(GuestError::Impostor)
    }
}

async fn greet(
    stream: &mut UnixStream,
    (oldest_version, newest_version): (u32, u32),
    repeat: Repeat,
) -> Result<(AgentHello, BytesMut), GuestError> {
    let mut session = [0; handshake::NONCE_BYTES];
    crate::random::fill(&mut session);
    let hello = HostHello {
        session: Bytes::copy_from_slice(&session),
        newest_version,
        oldest_version,
    };
    let greeting = handshake::encode(&hello);
    stream.write_all(&greeting).await.map_err(broken)?;
    let mut reader = HelloReader::default();
    let mut buffer = [0; 4096];
    loop {
        let nonsense = |error: handshake::HelloError| GuestError::Nonsense {
            problem: error.to_string(),
        };
        while let Some(hello) = reader.next::<AgentHello>().map_err(nonsense)? {
            // An answer to an earlier session may still have been in the queues.
            if hello.session[..] == session {
                return Ok((hello, reader.into_rest()));
            }
        }
        let read = async {
            match repeat {
                Repeat::Never => Ok(stream.read(&mut buffer).await),
                Repeat::UntilAnswered => tokio::time::timeout(REPEAT_AFTER, stream.read(&mut buffer)).await,
            }
        };
        let Ok(read) = read.await else {
            stream.write_all(&greeting).await.map_err(broken)?;
            continue;
        };
        let count = read.map_err(broken)?;
        if count == 0 {
            return Err(broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)));
        }
        reader.push(&buffer[..count]);
    }
}

fn check(hello: &AgentHello, boot_nonce: &[u8]) -> Result<(), GuestError> {
    if hello.boot_nonce != boot_nonce {
        return Err(GuestError::Impostor);
    }
    if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&hello.version) {
        let agent_version = printable(&hello.agent_version);
        return Err(GuestError::Version { agent_version });
    }
    match &hello.setup_failure {
        Some(problem) => Err(GuestError::Setup {
            problem: printable(problem),
        }),
        None => Ok(()),
    }
}

/// Text of a guest, made fit to be shown.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1000).collect()
}
