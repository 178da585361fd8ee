//! Carries standard input to a command in a guest, across connections that break.

use std::collections::VecDeque;

use bytes::Bytes;
use pyro_proto::message::{HostMessage, host_message};
use pyro_proto::replay::Replay;
use pyro_proto::{CHUNK_BYTES, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Stdin;
use crate::guest::{CallSender, GuestError};

/// Carries standard input to the command.
pub(super) struct Feeder {
    source: Source,
    sent: Replay,
    // Read or found missing, and not yet sent.
    pending: VecDeque<HostMessage>,
    // The agent has not yet said from where to go on.
    positioned: bool,
}

enum Source {
    None,
    Open(Box<dyn AsyncRead + Send + Sync + Unpin>),
    Ended,
}

impl Feeder {
    pub(super) fn new(stdin: Stdin) -> Self {
        let source = match stdin {
            Stdin::Empty => Source::None,
            Stdin::Reader(reader) => Source::Open(reader),
        };
        let sent = Replay::new(STREAM_WINDOW_BYTES as usize + 2 * CHUNK_BYTES);
        Self {
            source,
            sent,
            pending: VecDeque::new(),
            positioned: false,
        }
    }

    /// Sends nothing until the agent has said from where to go on.
    pub(super) fn wait_for_position(&mut self) {
        self.positioned = false;
    }

    /// Sends again what the guest lacks of what was sent before.
    pub(super) fn go_on_from(&mut self, offset: u64) {
        self.positioned = true;
        let ended = matches!(self.source, Source::Ended);
        self.pending.clear();
        let missing = self.sent.since(offset).unwrap_or_default();
        let chunks = missing
            .chunks(CHUNK_BYTES)
            .map(Bytes::copy_from_slice)
            .map(host_message::Body::Stdin);
        self.pending.extend(chunks.map(message));
        if ended {
            self.pending
                .push_back(message(host_message::Body::StdinEnd(true)));
        }
    }

    /// Sends what is there, reads more, and never returns while there is nothing to do. Safe to drop at any moment.
    pub(super) async fn feed(&mut self, sender: Option<&mut CallSender>) -> Result<(), GuestError> {
        let Some(sender) = sender.filter(|_| self.positioned) else {
            return std::future::pending().await;
        };
        loop {
            sender.flush().await?;
            match self.pending.pop_front() {
                // From here on the message is the sender's, also if this future is dropped.
                Some(next) => sender.send(&next).await?,
                None => self.read().await,
            }
        }
    }

    async fn read(&mut self) {
        let Source::Open(reader) = &mut self.source else {
            return std::future::pending().await;
        };
        let mut buffer = vec![0; CHUNK_BYTES];
        // A source that fails has no more to give; the command sees the end.
        let count = reader.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            self.source = Source::Ended;
            self.pending
                .push_back(message(host_message::Body::StdinEnd(true)));
            return;
        }
        buffer.truncate(count);
        self.sent.push(&buffer);
        self.pending
            .push_back(message(host_message::Body::Stdin(buffer.into())));
    }
}

fn message(body: host_message::Body) -> HostMessage {
    HostMessage { body: Some(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdin(bytes: &'static [u8]) -> Stdin {
        Stdin::Reader(Box::new(bytes))
    }

    #[tokio::test]
    async fn input_and_its_end_are_sent_again_after_a_cut() {
        let end = message(host_message::Body::StdinEnd(true));
        let text = |text| message(host_message::Body::Stdin(Bytes::from_static(text)));
        for (input, offset, again) in [
            (&b""[..], 0, vec![end.clone()]),
            (b"abc", 1, vec![text(b"bc"), end.clone()]),
            (b"abc", 3, vec![end.clone()]),
        ] {
            let mut feeder = Feeder::new(stdin(input));
            feeder.go_on_from(0);
            assert_eq!(feeder.pending, []);
            while !matches!(feeder.source, Source::Ended) {
                feeder.read().await;
            }
            // All of it was sent, and lost with the connection.
            feeder.pending.clear();
            feeder.wait_for_position();
            feeder.go_on_from(offset);
            assert_eq!(feeder.pending, again);
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_does_not_end_the_input() {
        let mut feeder = Feeder::new(stdin(b"abc"));
        feeder.go_on_from(0);
        feeder.wait_for_position();
        feeder.go_on_from(0);
        feeder.read().await;
        assert_eq!(
            feeder.pending,
            [message(host_message::Body::Stdin(Bytes::from_static(b"abc")))]
        );
    }
}
