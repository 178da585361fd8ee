//! The first bytes on a fresh byte stream, before HTTP/2 starts.
//!
//! The host speaks first, with a random session. The agent answers with the same session and the nonce of its boot.
//! A serial port has no notion of a connection, so what an earlier conversation left in its queues may come before
//! either hello: both sides throw away bytes until they see [`MAGIC`], and the host also throws away an answer to
//! another session. Only then do they trust the stream.

use bytes::{Buf, BytesMut};
use prost::Message;

use crate::frame::{self, FrameError};

/// What begins a hello, in either direction.
pub const MAGIC: [u8; 8] = *b"\x00pyro\xf0\x9f\x94";

/// The most foreign bytes that a side throws away before it gives the stream up.
pub const MAX_SKIPPED_BYTES: usize = 4 * 1024 * 1024;

/// The largest hello, in bytes.
const MAX_HELLO_BYTES: usize = 16 * 1024;

/// The length of a session and of a boot nonce, in bytes.
pub const NONCE_BYTES: usize = 16;

/// What the host says first.
///
/// A hello with no version (both 0) has nothing in common with any agent: it is answered with version 0, and the agent
/// then waits for another hello. So a host learns that an agent is idle, before the machine is saved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HostHello {
    /// Random bytes that mark this byte stream.
    #[prost(bytes = "bytes", tag = "1")]
    pub session: bytes::Bytes,
    /// The newest protocol version that the host speaks.
    #[prost(uint32, tag = "2")]
    pub newest_version: u32,
    /// The oldest protocol version that the host speaks.
    #[prost(uint32, tag = "3")]
    pub oldest_version: u32,
}

/// What the agent answers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AgentHello {
    /// The session of the hello that is answered.
    #[prost(bytes = "bytes", tag = "1")]
    pub session: bytes::Bytes,
    /// The nonce from the kernel command line, which binds this stream to this boot.
    #[prost(bytes = "bytes", tag = "2")]
    pub boot_nonce: bytes::Bytes,
    /// The protocol version that both speak from here on; 0 if there is none.
    #[prost(uint32, tag = "3")]
    pub version: u32,
    /// The agent's own version, for messages to people.
    #[prost(string, tag = "4")]
    pub agent_version: String,
    /// The release of the guest's kernel, as `uname -r` prints it.
    #[prost(string, tag = "5")]
    pub kernel_release: String,
    /// Set when the guest cannot serve: what failed while it set itself up.
    #[prost(string, optional, tag = "6")]
    pub setup_failure: Option<String>,
    /// Time from the kernel's start to the moment the agent could serve, in microseconds.
    #[prost(uint64, tag = "7")]
    pub ready_after_us: u64,
}

/// Encodes a hello with its magic.
pub fn encode(hello: &impl Message) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&frame::encode(hello));
    bytes
}

/// The newest version that both ranges hold, if any.
pub fn common_version(ours: (u32, u32), theirs: (u32, u32)) -> Option<u32> {
    let newest = ours.1.min(theirs.1);
    (newest >= ours.0 && newest >= theirs.0).then_some(newest)
}

/// Finds a hello in whatever arrives.
#[derive(Debug, Default)]
pub struct HelloReader {
    buffer: BytesMut,
    skipped: usize,
}

/// Why no hello was found.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HelloError {
    /// More than [`MAX_SKIPPED_BYTES`] came without one.
    #[error("no hello within {MAX_SKIPPED_BYTES} bytes")]
    Absent,
    /// What followed the magic is no hello.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl HelloReader {
    /// Adds bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next hello, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`HelloError`] when the stream is of no use. A malformed hello is skipped like other foreign bytes.
    #[expect(
        clippy::should_implement_trait,
        reason = "what comes next depends on the caller's type, and may fail"
    )]
    pub fn next<M: Message + Default>(&mut self) -> Result<Option<M>, HelloError> {
        loop {
            self.skip_to_magic()?;
            let Some(length) = self.announced_length() else {
                return Ok(None);
            };
            if length > MAX_HELLO_BYTES {
                self.skip(1)?;
                continue;
            }
            let start = MAGIC.len() + 4;
            if self.buffer.len() < start + length {
                return Ok(None);
            }
            if let Ok(hello) = M::decode(&self.buffer[start..start + length]) {
                self.buffer.advance(start + length);
                return Ok(Some(hello));
            }
            self.skip(1)?;
        }
    }

    /// Hands over the bytes that followed the hello; they belong to what comes next on the stream.
    pub fn into_rest(self) -> BytesMut {
        self.buffer
    }

    fn announced_length(&self) -> Option<usize> {
        let prefix = self.buffer.get(MAGIC.len()..MAGIC.len() + 4)?;
        let prefix: [u8; 4] = prefix.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(prefix)).ok()
    }

    fn skip_to_magic(&mut self) -> Result<(), HelloError> {
        let found = self
            .buffer
            .windows(MAGIC.len())
            .position(|window| window == MAGIC);
        let foreign = found.unwrap_or_else(|| self.buffer.len().saturating_sub(MAGIC.len() - 1));
        self.skip(foreign)
    }

    fn skip(&mut self, count: usize) -> Result<(), HelloError> {
        self.buffer.advance(count);
        self.skipped += count;
        if self.skipped > MAX_SKIPPED_BYTES {
            Err(HelloError::Absent)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> HostHello {
        HostHello {
            session: bytes::Bytes::from_static(&[7; NONCE_BYTES]),
            newest_version: 3,
            oldest_version: 1,
        }
    }

    #[test]
    fn a_hello_is_found_behind_the_rest_of_an_earlier_conversation() {
        let mut stream = b"leftover frames \x00pyr \x00pyro\xf0\x9f\x94\xff\xff\xff\xff".to_vec();
        stream.extend_from_slice(&encode(&hello()));
        stream.extend_from_slice(b"PRI * HTTP/2.0");
        let mut reader = HelloReader::default();
        let mut found = None;
        for byte in stream {
            reader.push(&[byte]);
            if found.is_none() {
                found = reader.next::<HostHello>().unwrap();
            }
        }
        assert_eq!(found, Some(hello()));
        assert_eq!(&reader.into_rest()[..], b"PRI * HTTP/2.0");
    }

    #[test]
    fn endless_noise_is_given_up() {
        let mut reader = HelloReader::default();
        let noise = vec![0_u8; 64 * 1024];
        let outcome = (0..).find_map(|_| {
            reader.push(&noise);
            reader.next::<HostHello>().err()
        });
        assert_eq!(outcome, Some(HelloError::Absent));
    }

    #[test]
    fn versions_meet_at_the_newest_common_one() {
        assert_eq!(common_version((1, 3), (2, 5)), Some(3));
        assert_eq!(common_version((1, 1), (1, 1)), Some(1));
        assert_eq!(common_version((1, 2), (3, 4)), None);
    }
}
