//! The two directions of one call.

use std::future::poll_fn;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::ResponseFuture;
use pyro_proto::frame::{self, Decoder};
use pyro_proto::message::{AgentMessage, HostMessage, agent_message};

use super::GuestError;

/// What the host sends within a call.
#[derive(Debug)]
pub(crate) struct CallSender {
    stream: h2::SendStream<Bytes>,
    unsent: Bytes,
}

/// What the agent sends within a call.
#[derive(Debug)]
pub(crate) struct CallReceiver {
    source: Source,
    decoder: Decoder,
    // Received and not yet asked to go on from: the window stays shut by as much.
    owed: usize,
}

#[derive(Debug)]
enum Source {
    Opening(ResponseFuture),
    Open(RecvStream),
}

/// Turns any failure of the stream into the one that a new stream may mend.
pub(super) fn broken(error: impl std::error::Error + Send + Sync + 'static) -> GuestError {
    GuestError::Broken(Box::new(error))
}

/// Turns bytes that are no message into a failure of the guest.
pub(super) fn nonsense(error: &frame::FrameError) -> GuestError {
    GuestError::Nonsense {
        problem: error.to_string(),
    }
}

impl CallSender {
    pub(super) fn new(stream: h2::SendStream<Bytes>) -> Self {
        Self {
            stream,
            unsent: Bytes::new(),
        }
    }

    /// Sends a message, as fast as the agent takes it. What is left when the future is dropped goes out with the next
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke, or the agent takes no more.
    pub(crate) async fn send(&mut self, message: &HostMessage) -> Result<(), GuestError> {
        self.flush().await?;
        self.unsent = frame::encode(message);
        self.flush().await
    }

    /// Sends what is left of the last message.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke, or the agent takes no more.
    pub(crate) async fn flush(&mut self) -> Result<(), GuestError> {
        while !self.unsent.is_empty() {
            self.stream.reserve_capacity(self.unsent.len());
            let capacity = poll_fn(|context| self.stream.poll_capacity(context)).await;
            let capacity = match capacity {
                Some(Ok(capacity)) => capacity,
                Some(Err(error)) => return Err(broken(error)),
                None => return Err(broken(std::io::Error::from(std::io::ErrorKind::BrokenPipe))),
            };
            let part = self.unsent.split_to(capacity.min(self.unsent.len()));
            self.stream.send_data(part, false).map_err(broken)?;
        }
        Ok(())
    }

    /// Tells the agent that nothing more will come.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke.
    pub(crate) fn finish(&mut self) -> Result<(), GuestError> {
        self.stream.send_data(Bytes::new(), true).map_err(broken)
    }
}

impl CallReceiver {
    pub(super) fn new(response: ResponseFuture) -> Self {
        Self {
            source: Source::Opening(response),
            decoder: Decoder::default(),
            owed: 0,
        }
    }

    /// Waits for the next message; `None` after the last one. Whoever does not ask holds the guest up, and loses
    /// nothing when the future is dropped.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke, or the agent sent what is no message.
    pub(crate) async fn next(&mut self) -> Result<Option<agent_message::Body>, GuestError> {
        loop {
            if let Some(message) = self
                .decoder
                .next::<AgentMessage>()
                .map_err(|error| nonsense(&error))?
            {
                match message.body {
                    Some(body) => return Ok(Some(body)),
                    // A kind of message that this build does not know.
                    None => continue,
                }
            }
            if !self.receive().await? {
                return match self.decoder.is_mid_frame() {
                    true => Err(broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
                    false => Ok(None),
                };
            }
        }
    }

    async fn receive(&mut self) -> Result<bool, GuestError> {
        if let Source::Opening(response) = &mut self.source {
            let response = response.await.map_err(broken)?;
            self.source = Source::Open(response.into_body());
        }
        let Source::Open(stream) = &mut self.source else {
            return Ok(false);
        };
        if self.owed > 0 {
            // Fails only on a stream that has ended, which the next line says better.
            let _ended = stream.flow_control().release_capacity(self.owed);
            self.owed = 0;
        }
        match stream.data().await {
            Some(Ok(data)) => {
                self.owed = data.len();
                self.decoder.push(&data);
                Ok(true)
            }
            Some(Err(error)) => Err(broken(error)),
            None => Ok(false),
        }
    }
}
