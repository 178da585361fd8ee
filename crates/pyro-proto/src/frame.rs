//! Length-prefixed frames: four bytes of big-endian length, then one encoded message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// The largest frame that either side accepts, in bytes, without its prefix.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

const PREFIX_BYTES: usize = 4;

/// Why a peer's bytes are no frame.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The prefix announces more than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// The body does not decode as the expected message.
    #[error("a frame does not decode: {0}")]
    Malformed(#[from] prost::DecodeError),
}

/// Encodes one message with its prefix.
pub fn encode(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    debug_assert!(length <= MAX_FRAME_BYTES, "own messages respect the limit");
    let mut buffer = BytesMut::with_capacity(PREFIX_BYTES + length);
    buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message
        .encode(&mut buffer)
        .expect("the buffer was sized for the message");
    buffer.freeze()
}

/// Puts frames together from bytes as they arrive.
///
/// It holds at most one frame and the rest of the last chunk pushed.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Adds bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next whole message, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`FrameError`] if the bytes cannot be a frame; the stream is then of no further use.
    #[expect(
        clippy::should_implement_trait,
        reason = "what comes next depends on the caller's type, and may fail"
    )]
    pub fn next<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        if self.buffer.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        Ok(Some(M::decode(self.buffer.split_to(length).freeze())?))
    }

    /// Whether bytes of an unfinished frame are waiting.
    pub fn is_mid_frame(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AgentMessage, agent_message::Body};

    fn sample() -> AgentMessage {
        AgentMessage {
            body: Some(Body::Stdout(Bytes::from_static(b"hello"))),
        }
    }

    #[test]
    fn a_frame_arrives_in_any_pieces() {
        let encoded = encode(&sample());
        let mut decoder = Decoder::default();
        for byte in &encoded[..encoded.len() - 1] {
            decoder.push(&[*byte]);
            assert_eq!(decoder.next::<AgentMessage>().unwrap(), None);
        }
        assert!(decoder.is_mid_frame());
        decoder.push(&encoded[encoded.len() - 1..]);
        assert_eq!(decoder.next().unwrap(), Some(sample()));
        assert!(!decoder.is_mid_frame());
    }

    #[test]
    fn an_announced_giant_is_refused_before_it_arrives() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_be_bytes());
        assert_eq!(
            decoder.next::<AgentMessage>(),
            Err(FrameError::TooLong(u32::MAX as usize))
        );
    }

    #[test]
    fn garbage_is_an_error_and_not_a_panic() {
        let mut decoder = Decoder::default();
        decoder.push(&[0, 0, 0, 2, 0xff, 0xff]);
        assert!(matches!(
            decoder.next::<AgentMessage>(),
            Err(FrameError::Malformed(_))
        ));
    }
}
