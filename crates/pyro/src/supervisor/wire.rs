//! What goes over a supervisor's socket: frames of a kind, four bytes of big-endian length, and that many bytes.
//!
//! A connection carries one call: the client sends a [`Frame::Json`] with a [`Hello`](super::api::Hello), the supervisor
//! answers with [`Answer`](super::api::Answer)s. Closing the connection gives the call up.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest frame, in bytes.
const MAX_BYTES: usize = 2 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A JSON object.
    Json(Bytes),
    /// A command for the agent, encoded as in the guest protocol.
    Exec(Bytes),
    /// Bytes for a command's standard input.
    Stdin(Bytes),
    /// The end of standard input.
    StdinEnd,
    /// Bytes of a command's standard output.
    Stdout(Bytes),
    /// Bytes of a command's standard error.
    Stderr(Bytes),
}

impl Frame {
    /// An object as a frame.
    pub(crate) fn json(object: &impl serde::Serialize) -> Self {
        let bytes = serde_json::to_vec(object).expect("messages have string keys and no other way to fail");
        Self::Json(bytes.into())
    }

    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Json(bytes) => (b'j', bytes),
            Self::Exec(bytes) => (b'x', bytes),
            Self::Stdin(bytes) => (b'i', bytes),
            Self::StdinEnd => (b'z', &[]),
            Self::Stdout(bytes) => (b'o', bytes),
            Self::Stderr(bytes) => (b'e', bytes),
        }
    }
}

/// Sends a frame.
///
/// # Errors
/// If the other end is gone.
pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let (kind, bytes) = frame.parts();
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut message = Vec::with_capacity(5 + bytes.len());
    message.push(kind);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(bytes);
    stream.write_all(&message).await
}

/// Receives a frame; `None` at the end. Not to be dropped half-way, unless the connection goes too.
///
/// # Errors
/// If the other end is gone, or sends what is no frame.
pub(crate) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    match stream.read(&mut head[..1]).await? {
        0 => return Ok(None),
        _ => stream.read_exact(&mut head[1..]).await?,
    };
    let [kind, length @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_BYTES {
        return Err(io::Error::other("a message is too long"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    let bytes = Bytes::from(bytes);
    Ok(Some(match kind {
        b'j' => Frame::Json(bytes),
        b'x' => Frame::Exec(bytes),
        b'i' => Frame::Stdin(bytes),
        b'z' => Frame::StdinEnd,
        b'o' => Frame::Stdout(bytes),
        b'e' => Frame::Stderr(bytes),
        _ => return Err(io::Error::other("a message of an unknown kind")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent() {
        let (mut here, mut there) = tokio::io::duplex(64);
        let frames = [
            Frame::json(&serde_json::json!({"a": 1})),
            Frame::Stdout(vec![7; 1000].into()),
            Frame::StdinEnd,
        ];
        let sent = frames.clone();
        let sender = tokio::spawn(async move {
            for frame in &sent {
                send(&mut here, frame).await.unwrap();
            }
        });
        for frame in frames {
            assert_eq!(receive(&mut there).await.unwrap(), Some(frame));
        }
        sender.await.unwrap();
        assert_eq!(receive(&mut there).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_giant_is_refused_before_it_arrives() {
        let (mut here, mut there) = tokio::io::duplex(64);
        here.write_all(&[b'o', 0xff, 0xff, 0xff, 0xff]).await.unwrap();
        receive(&mut there).await.unwrap_err();
    }
}
