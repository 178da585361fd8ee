//! What a sender keeps so that a broken connection loses nothing.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// The last bytes sent on a stream, with the position of the first one.
///
/// A receiver can lack at most what flow control let the sender have under way, so `limit` must be at least the
/// stream's window and one chunk more.
#[derive(Debug)]
pub struct Replay {
    kept: VecDeque<u8>,
    end: u64,
    limit: usize,
}

impl Replay {
    /// Makes an empty one that keeps at least the last `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            end: 0,
            limit,
        }
    }

    /// Adds sent bytes, and forgets the oldest beyond the limit.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        self.end += bytes.len() as u64;
        let excess = self.kept.len().saturating_sub(self.limit);
        self.kept.drain(..excess);
    }

    /// Forgets the bytes that are kept, and gives their memory back.
    pub fn forget(&mut self) {
        self.kept = VecDeque::new();
    }

    /// The memory that the kept bytes take.
    pub fn memory(&self) -> usize {
        self.kept.capacity()
    }

    /// All bytes ever pushed.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// At most `most` bytes from `offset` on, or `None` if they are no longer, or not yet, known.
    pub fn chunk(&self, offset: u64, most: usize) -> Option<Bytes> {
        let missing = usize::try_from(self.end.checked_sub(offset)?).ok()?;
        let start = self.kept.len().checked_sub(missing)?;
        let mut chunk = BytesMut::with_capacity(missing.min(most));
        let (front, back) = self.kept.as_slices();
        let in_front = front.get(start..).unwrap_or_default();
        let in_back = &back[start.saturating_sub(front.len())..];
        for slice in [in_front, in_back] {
            chunk.put_slice(&slice[..slice.len().min(most - chunk.len())]);
        }
        Some(chunk.freeze())
    }

    /// The bytes from `offset` to the end, or `None` if they are no longer, or not yet, known.
    pub fn since(&self, offset: u64) -> Option<Vec<u8>> {
        let missing = usize::try_from(self.end.checked_sub(offset)?).ok()?;
        let start = self.kept.len().checked_sub(missing)?;
        Some(self.kept.iter().skip(start).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_goes_on_where_it_stopped() {
        let mut replay = Replay::new(4);
        replay.push(b"abc");
        replay.push(b"defg");
        assert_eq!(replay.end(), 7);
        assert_eq!(replay.since(7).unwrap(), b"");
        assert_eq!(replay.since(5).unwrap(), b"fg");
        assert_eq!(replay.since(3).unwrap(), b"defg");
    }

    #[test]
    fn chunks_put_together_are_the_whole() {
        let mut replay = Replay::new(10);
        for round in 0..7_u8 {
            replay.push(&[round; 3]);
            let mut offset = replay.end().saturating_sub(10);
            let whole = replay.since(offset).unwrap();
            let mut seen = Vec::new();
            while let Some(chunk) = replay.chunk(offset, 4).filter(|chunk| !chunk.is_empty()) {
                assert!(chunk.len() <= 4);
                offset += chunk.len() as u64;
                seen.extend_from_slice(&chunk);
            }
            assert_eq!(seen, whole);
        }
        assert_eq!(replay.chunk(0, 4), None);
        assert_eq!(replay.chunk(22, 0), None);
    }

    #[test]
    fn what_is_forgotten_or_not_yet_sent_is_not_made_up() {
        let mut replay = Replay::new(4);
        replay.push(b"abcdefg");
        assert_eq!(replay.since(2), None);
        assert_eq!(replay.since(8), None);
        replay.forget();
        assert_eq!((replay.since(6), replay.memory()), (None, 0));
        assert_eq!(replay.since(7).unwrap(), b"");
    }
}
