//! The two directions of one call.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::client::ResponseFuture;
use pyro_proto::frame::{self, Decoder};
use pyro_proto::message::{AgentMessage, HostMessage, agent_message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::GuestError;

/// What the host sends within a call.
#[derive(Debug)]
pub(crate) struct CallSender {
    sink: Sink,
    unsent: Bytes,
}

#[derive(Debug)]
enum Sink {
    Http(h2::SendStream<Bytes>),
    Socket(OwnedWriteHalf),
    Finished,
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
    Socket(OwnedReadHalf),
}

/// How much is read from a socket at once, in bytes.
const SOCKET_READ_BYTES: usize = 64 * 1024;

/// The two directions of a call whose frames somebody else passes on to the agent and back, as they are.
pub(crate) fn over_socket(stream: UnixStream) -> (CallSender, CallReceiver) {
    let (reader, writer) = stream.into_split();
    let sender = CallSender {
        sink: Sink::Socket(writer),
        unsent: Bytes::new(),
    };
    (sender, CallReceiver::from(Source::Socket(reader)))
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
            sink: Sink::Http(stream),
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
            match &mut self.sink {
                Sink::Http(stream) => {
                    let capacity = capacity_for(stream, self.unsent.len()).await?;
                    let part = self.unsent.split_to(capacity.min(self.unsent.len()));
                    stream.send_data(part, false).map_err(broken)?;
                }
                Sink::Socket(writer) => {
                    writer.write_buf(&mut self.unsent).await.map_err(broken)?;
                }
                Sink::Finished => return Err(broken_pipe()),
            }
        }
        Ok(())
    }

    /// Sends frames as they are.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke, or the agent takes no more.
    pub(crate) async fn send_frames(&mut self, frames: Bytes) -> Result<(), GuestError> {
        self.flush().await?;
        self.unsent = frames;
        self.flush().await
    }

    /// Tells the agent that nothing more will come.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke.
    pub(crate) fn finish(&mut self) -> Result<(), GuestError> {
        match &mut self.sink {
            Sink::Http(stream) => stream.send_data(Bytes::new(), true).map_err(broken)?,
            // A dropped half is shut down.
            Sink::Socket(_) | Sink::Finished => {}
        }
        self.sink = match std::mem::replace(&mut self.sink, Sink::Finished) {
            // Dropped, the stream would be reset.
            http @ Sink::Http(_) => http,
            Sink::Socket(_) | Sink::Finished => Sink::Finished,
        };
        Ok(())
    }
}

async fn capacity_for(stream: &mut h2::SendStream<Bytes>, wanted: usize) -> Result<usize, GuestError> {
    stream.reserve_capacity(wanted);
    match poll_fn(|context| stream.poll_capacity(context)).await {
        Some(Ok(capacity)) => Ok(capacity),
        Some(Err(error)) => Err(broken(error)),
        None => Err(broken_pipe()),
    }
}

fn broken_pipe() -> GuestError {
    broken(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
}

impl From<Source> for CallReceiver {
    fn from(source: Source) -> Self {
        Self {
            source,
            decoder: Decoder::default(),
            owed: 0,
        }
    }
}

impl CallReceiver {
    pub(super) fn new(response: ResponseFuture) -> Self {
        Self::from(Source::Opening(response))
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
            match self.receive().await? {
                Some(data) => self.decoder.push(&data),
                None if self.decoder.is_mid_frame() => {
                    return Err(broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)));
                }
                None => return Ok(None),
            }
        }
    }

    /// Waits for more frames, as they are, whole or not; `None` after the last. Not to be mixed with
    /// [`next`](Self::next).
    ///
    /// # Errors
    /// [`GuestError::Broken`] if the connection broke.
    pub(crate) async fn next_frames(&mut self) -> Result<Option<Bytes>, GuestError> {
        self.receive().await
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, GuestError> {
        if let Source::Opening(response) = &mut self.source {
            let response = response.await.map_err(broken)?;
            self.source = Source::Open(response.into_body());
        }
        let stream = match &mut self.source {
            Source::Open(stream) => stream,
            Source::Socket(reader) => {
                let mut buffer = BytesMut::with_capacity(SOCKET_READ_BYTES);
                let count = reader.read_buf(&mut buffer).await.map_err(broken)?;
                return Ok((count > 0).then(|| buffer.freeze()));
            }
            Source::Opening(_) => return Ok(None),
        };
        if self.owed > 0 {
            // Fails only on a stream that has ended, which the next line says better.
            let _ended = stream.flow_control().release_capacity(self.owed);
            self.owed = 0;
        }
        match stream.data().await {
            Some(Ok(data)) => {
                self.owed = data.len();
                Ok(Some(data))
            }
            Some(Err(error)) => Err(broken(error)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use pyro_proto::message::{Done, host_message};

    use super::*;

    #[tokio::test]
    async fn frames_go_both_ways_over_a_socket() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut sender, mut receiver) = over_socket(here);
        let (mut agent, mut heard) = over_socket(there);
        let ask = HostMessage {
            body: Some(host_message::Body::DataEnd(true)),
        };
        sender.send(&ask).await.unwrap();
        sender.finish().unwrap();
        assert_eq!(heard.next_frames().await.unwrap(), Some(frame::encode(&ask)));
        assert_eq!(heard.next_frames().await.unwrap(), None);
        let answer = AgentMessage {
            body: Some(agent_message::Body::Done(Done {})),
        };
        agent.send_frames(frame::encode(&answer)).await.unwrap();
        agent.finish().unwrap();
        assert_eq!(receiver.next().await.unwrap(), answer.body);
        assert_eq!(receiver.next().await.unwrap(), None);
    }
}
