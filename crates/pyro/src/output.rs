//! What is kept of a command's output: the beginning and the end, within one limit for both streams.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::object::{StreamInfo, TextEncoding};

/// The kept output of one command.
#[derive(Debug, Clone)]
pub(crate) struct KeptOutput {
    half: usize,
    stdout: KeptStream,
    stderr: KeptStream,
}

/// Which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

#[derive(Debug, Clone, Default)]
struct KeptStream {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

/// The kept output of a command that goes on, for whoever wants to see it meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct SharedOutput(Arc<Mutex<KeptOutput>>);

impl SharedOutput {
    /// Keeps as much as [`KeptOutput::new`].
    pub(crate) fn new(limit: u64) -> Self {
        Self(Arc::new(Mutex::new(KeptOutput::new(limit))))
    }

    /// Takes more output.
    pub(crate) fn push(&self, stream: Stream, bytes: &[u8]) {
        self.lock().push(stream, bytes);
    }

    /// What is kept until now.
    pub(crate) fn until_now(&self) -> KeptOutput {
        self.lock().clone()
    }

    /// What was kept, of which nothing stays here.
    pub(crate) fn take(&self) -> KeptOutput {
        std::mem::replace(&mut *self.lock(), KeptOutput::new(0))
    }

    fn lock(&self) -> MutexGuard<'_, KeptOutput> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptOutput {
    /// Keeps at most `limit` bytes over both streams: half from the beginning, half from the end.
    pub(crate) fn new(limit: u64) -> Self {
        let half = usize::try_from(limit / 2).unwrap_or(usize::MAX);
        Self {
            half,
            stdout: KeptStream::default(),
            stderr: KeptStream::default(),
        }
    }

    /// Takes more output.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let room = self
            .half
            .saturating_sub(self.stdout.head.len() + self.stderr.head.len());
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        kept.total += bytes.len() as u64;
        // Once something went to the tail, the head is closed: bytes stay in order.
        let room = if kept.tail.is_empty() { room } else { 0 };
        let (head, tail) = bytes.split_at(bytes.len().min(room));
        kept.head.extend_from_slice(head);
        // More than fits in all would be dropped again at once.
        kept.tail.extend(&tail[tail.len().saturating_sub(self.half)..]);
        self.shrink();
    }

    /// The text of both streams and how complete each is.
    pub(crate) fn finish(self) -> [(String, StreamInfo); 2] {
        [self.stdout.finish(), self.stderr.finish()]
    }

    fn shrink(&mut self) {
        let excess = (self.stdout.tail.len() + self.stderr.tail.len()).saturating_sub(self.half);
        // The longer tail gives way, so that a chatty stream does not push out a terse one.
        let longer = if self.stdout.tail.len() >= self.stderr.tail.len() {
            &mut self.stdout.tail
        } else {
            &mut self.stderr.tail
        };
        longer.drain(..excess.min(longer.len()));
    }
}

impl KeptStream {
    fn finish(self) -> (String, StreamInfo) {
        let stored = (self.head.len() + self.tail.len()) as u64;
        let omitted = self.total - stored;
        let mut bytes = self.head;
        if omitted > 0 {
            bytes.extend_from_slice(format!("\n[… {omitted} bytes omitted …]\n").as_bytes());
        }
        bytes.extend(self.tail);
        let (text, encoding) = match String::from_utf8(bytes) {
            Ok(text) => (text, TextEncoding::Utf8),
            Err(error) => (
                String::from_utf8_lossy(error.as_bytes()).into_owned(),
                TextEncoding::Utf8Lossy,
            ),
        };
        let info = StreamInfo {
            bytes: self.total,
            encoding,
            truncated: omitted > 0,
            omitted_bytes: omitted,
            stored_bytes: stored,
        };
        (text, info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let mut kept = KeptOutput::new(100);
        kept.push(Stream::Stdout, b"one ");
        kept.push(Stream::Stderr, b"bad");
        kept.push(Stream::Stdout, b"two");
        let [(stdout, info), (stderr, _)] = kept.finish();
        assert_eq!((stdout.as_str(), stderr.as_str()), ("one two", "bad"));
        assert_eq!((info.bytes, info.truncated, info.omitted_bytes), (7, false, 0));
    }

    #[test]
    fn long_output_keeps_both_ends_and_counts_the_gap() {
        let mut kept = KeptOutput::new(8);
        for digit in b'0'..=b'9' {
            kept.push(Stream::Stdout, &[digit, digit]);
        }
        let [(stdout, info), _] = kept.finish();
        assert_eq!(stdout, "0011\n[… 12 bytes omitted …]\n8899");
        assert_eq!((info.bytes, info.stored_bytes, info.omitted_bytes), (20, 8, 12));
    }

    #[test]
    fn a_chatty_stream_does_not_push_out_a_terse_one() {
        let mut kept = KeptOutput::new(8);
        kept.push(Stream::Stdout, &[b'x'; 1000]);
        kept.push(Stream::Stderr, b"no");
        kept.push(Stream::Stdout, &[b'y'; 1000]);
        let [_, (stderr, info)] = kept.finish();
        assert_eq!((stderr.as_str(), info.truncated), ("no", false));
    }

    #[test]
    fn a_limit_of_nothing_counts_and_keeps_nothing() {
        let mut kept = KeptOutput::new(0);
        kept.push(Stream::Stdout, b"abc");
        let [(_, info), _] = kept.finish();
        assert_eq!((info.bytes, info.stored_bytes), (3, 0));
    }

    #[test]
    fn invalid_text_is_marked() {
        let mut kept = KeptOutput::new(100);
        kept.push(Stream::Stdout, b"\xff");
        let [(stdout, info), _] = kept.finish();
        assert_eq!(
            (stdout.as_str(), info.encoding),
            ("\u{fffd}", TextEncoding::Utf8Lossy)
        );
    }
}
