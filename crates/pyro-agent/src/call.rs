//! One call: its messages in, its messages out, and the verb that it asks for.

use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response};
use pyro_proto::PLAIN_OUTPUT_BYTES;
use pyro_proto::frame::{self, Decoder, FrameError};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{AgentMessage, Done, Fault, FaultKind, HostMessage, Verb};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::agent::Agent;
use crate::wire::Wire;
use crate::{exec, files, identity, power};

/// Why a call ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The stream or the whole connection is gone; nobody is left to tell.
    #[error("the call was broken off")]
    Broken(#[from] h2::Error),
    /// The host's bytes are no messages.
    #[error(transparent)]
    Malformed(#[from] FrameError),
    /// The request is refused.
    #[error("{}", .0.message)]
    Refused(Fault),
}

/// Makes a refusal.
pub(crate) fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault {
        kind: kind.into(),
        message: message.into(),
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// What the host sends within a call.
#[derive(Debug)]
pub(crate) enum Asks {
    /// The body of a request.
    Stream(Body),
    /// One message, without anything to follow.
    Sole(Option<Ask>),
}

impl Asks {
    /// The next message, or `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`CallError::Broken`] or [`CallError::Malformed`].
    pub(crate) async fn next(&mut self) -> Result<Option<Ask>, CallError> {
        match self {
            Self::Stream(body) => body.next().await,
            Self::Sole(ask) => Ok(ask.take()),
        }
    }
}

/// The messages in the body of a request.
#[derive(Debug)]
pub(crate) struct Body {
    body: RecvStream,
    decoder: Decoder,
    held: usize,
}

impl Body {
    fn new(body: RecvStream) -> Self {
        Self {
            body,
            decoder: Decoder::default(),
            held: 0,
        }
    }

    /// Flow-control credit for earlier messages is given back only here: the caller has used them.
    async fn next(&mut self) -> Result<Option<Ask>, CallError> {
        loop {
            if let Some(message) = self.decoder.next::<HostMessage>()? {
                // A message of an unknown kind, from a newer host, is passed over.
                let Some(ask) = message.body else { continue };
                return Ok(Some(ask));
            }
            let used = std::mem::take(&mut self.held);
            self.body.flow_control().release_capacity(used)?;
            let Some(bytes) = self.body.data().await else {
                return if self.decoder.is_mid_frame() {
                    Err(fault(FaultKind::InvalidArgument, "the request ends within a frame").into())
                } else {
                    Ok(None)
                };
            };
            let bytes = bytes?;
            self.held += bytes.len();
            self.decoder.push(&bytes);
        }
    }
}

/// What the agent sends within a call.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    /// The body of an answer.
    Stream(SendStream<Bytes>),
    /// Plain frames on the wire, which carries nothing else.
    Plain(&'a mut Wire),
}

impl Reply<'_> {
    /// Sends a message, as the host's window allows.
    ///
    /// # Errors
    /// [`CallError::Broken`].
    pub(crate) async fn send(&mut self, answer: Answer) -> Result<(), CallError> {
        self.send_frames(frame::encode(&AgentMessage { body: Some(answer) }))
            .await
    }

    /// Sends messages that are frames already, as the host's window allows.
    ///
    /// # Errors
    /// [`CallError::Broken`].
    pub(crate) async fn send_frames(&mut self, frames: Bytes) -> Result<(), CallError> {
        match self {
            Self::Stream(stream) => send_by_window(stream, frames).await,
            Self::Plain(wire) => wire.write_all(&frames).await.map_err(|_| broken_off()),
        }
    }

    /// How much output the call may carry in all, in bytes.
    pub(crate) fn output_limit(&self) -> u64 {
        match self {
            Self::Stream(_) => u64::MAX,
            Self::Plain(_) => PLAIN_OUTPUT_BYTES,
        }
    }

    /// Sends the last message.
    ///
    /// # Errors
    /// [`CallError::Broken`].
    pub(crate) async fn finish(&mut self, answer: Answer) -> Result<(), CallError> {
        self.send(answer).await?;
        match self {
            Self::Stream(stream) => stream.send_data(Bytes::new(), true).map_err(CallError::Broken),
            Self::Plain(_) => Ok(()),
        }
    }

    /// Ends the call without an answer: another one has taken its place.
    pub(crate) fn give_up(&mut self) {
        match self {
            Self::Stream(stream) => stream.send_reset(Reason::CANCEL),
            Self::Plain(_) => {}
        }
    }

    /// Waits until the host gives the call up.
    pub(crate) async fn broken(&mut self) -> CallError {
        match self {
            Self::Stream(stream) => match poll_fn(|context| stream.poll_reset(context)).await {
                Ok(reason) => CallError::Broken(reason.into()),
                Err(error) => CallError::Broken(error),
            },
            Self::Plain(wire) => {
                // Whether the host hangs up or says something out of turn, it wants no more of this.
                drop(wire.read(&mut [0; 64]).await);
                broken_off()
            }
        }
    }
}

async fn send_by_window(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), CallError> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        while stream.capacity() == 0 {
            match poll_fn(|context| stream.poll_capacity(context)).await {
                Some(capacity) => capacity?,
                None => return Err(broken_off()),
            };
        }
        let count = stream.capacity().min(bytes.len());
        stream.send_data(bytes.split_to(count), false)?;
    }
    Ok(())
}

/// How a call ends whose host is gone.
pub(crate) fn broken_off() -> CallError {
    h2::Error::from(Reason::CANCEL).into()
}

/// Answers one call to its end.
pub(crate) async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, agent: Rc<Agent>) {
    let Ok(stream) = respond.send_response(Response::new(()), false) else {
        return;
    };
    let mut reply = Reply::Stream(stream);
    let verb = Verb::from_path(request.uri().path()).filter(|_| request.method() == Method::POST);
    let mut asks = Asks::Stream(Body::new(request.into_body()));
    let outcome = Box::pin(dispatch(verb, &mut asks, &mut reply, &agent)).await;
    tell_refusal(outcome, &mut reply).await;
}

/// Tells the host why a call was refused, if it was.
pub(crate) async fn tell_refusal(outcome: Result<(), CallError>, reply: &mut Reply<'_>) {
    let refusal = match outcome {
        Ok(()) | Err(CallError::Broken(_)) => return,
        Err(CallError::Refused(fault)) => fault,
        Err(CallError::Malformed(error)) => fault(FaultKind::InvalidArgument, error.to_string()),
    };
    // Nobody is left to tell if this fails.
    drop(reply.finish(Answer::Fault(refusal)).await);
}

async fn dispatch(
    verb: Option<Verb>,
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    match verb {
        None => return Err(fault(FaultKind::Unsupported, "the agent does not know this request").into()),
        Some(Verb::Ping) => {}
        Some(Verb::Configure) => {
            let Some(Ask::Configure(configure)) = asks.next().await? else {
                return Err(fault(FaultKind::InvalidArgument, "the request holds no configuration").into());
            };
            identity::apply(configure, agent).await?;
        }
        Some(Verb::Exec) => return exec::answer(asks, reply, agent).await,
        Some(Verb::Signal) => {
            let Some(Ask::Signal(signal)) = asks.next().await? else {
                return Err(fault(FaultKind::InvalidArgument, "the request holds no signal").into());
            };
            exec::signal(signal, agent).await?;
        }
        Some(Verb::PowerOff) => return power::off(reply, agent).await,
        Some(
            verb @ (Verb::ListFiles
            | Verb::ReadFile
            | Verb::WriteFile
            | Verb::Changes
            | Verb::Export
            | Verb::Put),
        ) => return files::answer(verb, asks, reply, agent).await,
    }
    reply.finish(Answer::Done(Done {})).await
}
