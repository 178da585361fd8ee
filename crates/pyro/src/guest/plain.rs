//! One command in plain frames, without HTTP/2: the least that a guest has to do for it.

use std::os::fd::{AsFd, OwnedFd};

use bytes::BytesMut;
use pyro_proto::frame::{self, Decoder};
use pyro_proto::message::agent_message::Body;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{AgentMessage, Configure, Exec, FaultKind, HostMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::call::{broken, nonsense};
use super::{Greeted, GuestError};

/// A command that the whole conversation is about.
///
/// Nothing more can be said to the agent on its byte stream; whoever wants to opens another one.
#[derive(Debug)]
pub(crate) struct SoleCall {
    stream: UnixStream,
    decoder: Decoder,
    /// Received before anybody asked for it.
    first: Option<Body>,
}

/// Ends the conversation of a [`SoleCall`], whoever holds that.
#[derive(Debug)]
pub(crate) struct Ender(OwnedFd);

impl Greeted {
    /// Gives the guest what must be its own, and starts a command without standard input. Returns once it runs, or was
    /// refused.
    ///
    /// # Errors
    /// [`GuestError`] if the stream broke, or the guest is not fit to run anything.
    pub(crate) async fn exec(
        self,
        configure: Configure,
        exec: Exec,
    ) -> Result<(SoleCall, Ender), GuestError> {
        let Self { mut stream, rest, .. } = self;
        let ender = stream.as_fd().try_clone_to_owned().map_err(broken)?;
        // In one write, for one turn of the guest's queue.
        let mut request = BytesMut::new();
        for body in [Ask::Configure(configure), Ask::Exec(exec)] {
            request.extend_from_slice(&frame::encode(&HostMessage { body: Some(body) }));
        }
        stream.write_all(&request).await.map_err(broken)?;
        let mut decoder = Decoder::default();
        decoder.push(&rest);
        let mut call = SoleCall {
            stream,
            decoder,
            first: None,
        };
        call.first = match call.next().await? {
            Some(Body::Fault(fault)) if fault.kind == i32::from(FaultKind::Unconfigured) => {
                return Err(GuestError::Refused(fault));
            }
            first => first,
        };
        Ok((call, Ender(ender)))
    }
}

impl SoleCall {
    /// Waits for the next message; `None` where the rest has to be asked for on another stream. Nothing is lost when the
    /// future is dropped.
    ///
    /// # Errors
    /// [`GuestError`] if the stream broke, or the agent sent what is no message.
    pub(crate) async fn next(&mut self) -> Result<Option<Body>, GuestError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let mut buffer = [0; 4096];
        loop {
            match self
                .decoder
                .next::<AgentMessage>()
                .map_err(|error| nonsense(&error))?
            {
                Some(AgentMessage {
                    body: Some(Body::Done(_)),
                }) => return Ok(None),
                Some(AgentMessage { body: Some(body) }) => return Ok(Some(body)),
                // A kind of message that this build does not know.
                Some(AgentMessage { body: None }) => {}
                None => match self.stream.read(&mut buffer).await.map_err(broken)? {
                    0 => return Err(broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
                    count => self.decoder.push(&buffer[..count]),
                },
            }
        }
    }
}

impl Ender {
    /// Closes the byte stream; once this returns, the other end sees it closed.
    pub(crate) fn end(self) {
        // Fails only on a stream that the other end has closed.
        let _closed_already = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}
