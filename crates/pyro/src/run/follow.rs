//! Follows a command in a guest to its end, across connections that break.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::message::agent_message::Body;
use pyro_proto::message::{Attach, Ended, Exec, HostMessage, Signal, host_message};
use pyro_proto::replay::Replay;
use pyro_proto::{CHUNK_BYTES, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::control::{Wish, Wishes};
use super::{RunEvent, Stdin};
use crate::error::Result;
use crate::guest::{CallReceiver, CallSender, GuestError};
use crate::output::{KeptOutput, Stream};
use crate::vm::LiveVm;

/// From TERM to KILL, for whatever ends a command.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// What the host allows the guest on top of its own limits, before it takes matters into its own hands.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long what an ended VM sent may take to be read; it is all here, so this is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often in a row a connection may break without anything having arrived.
const MAX_FRUITLESS_RECONNECTS: u32 = 5;

/// How a command ended, as the host knows it.
#[derive(Debug)]
pub(super) enum End {
    /// The guest reported it.
    Reported(Ended),
    /// The guest did not end it in time, so its VM was.
    Forced {
        /// Whether the caller wanted it; else its time was up.
        cancelled: bool,
    },
}

/// A command that is being followed.
pub(super) struct Follower<'a> {
    pub(super) vm: &'a mut LiveVm,
    pub(super) events: &'a mpsc::Sender<RunEvent>,
    pub(super) wishes: &'a mut Wishes,
    pub(super) kept: KeptOutput,
    request_id: String,
    received: [u64; 2],
    fruitless: u32,
    wish: Wish,
    // When the host ends the VM itself.
    deadline: Option<Instant>,
}

/// What happened next.
enum Step {
    Message(Result<Option<Body>, GuestError>),
    Wish(Wish),
    Cut,
    VmEnded(String),
    Deadline,
    InterruptOver,
    // The command reads no more, or the connection broke, and the receiver says which.
    StdinOver,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        vm: &'a mut LiveVm,
        events: &'a mpsc::Sender<RunEvent>,
        wishes: &'a mut Wishes,
        kept: KeptOutput,
    ) -> Self {
        let request_id = crate::guest::request_id();
        Self {
            vm,
            events,
            wishes,
            kept,
            request_id,
            received: [0; 2],
            fruitless: 0,
            wish: Wish::GoOn,
            deadline: None,
        }
    }

    /// Starts the command and stays with it to its end.
    ///
    /// # Errors
    /// Whatever the agent refused it with, or the VM went away with. The output up to there is in `kept`.
    pub(super) async fn run(&mut self, mut exec: Exec, stdin: Stdin) -> Result<End> {
        exec.request_id.clone_from(&self.request_id);
        exec.grace_ms = super::millis(GRACE);
        if exec.timeout_ms > 0 {
            self.deadline = Some(Instant::now() + Duration::from_millis(exec.timeout_ms) + GRACE + PATIENCE);
        }
        let mut feeder = Feeder::new(stdin);
        let (mut sender, mut receiver) = self.vm.connection()?.exec(exec).await?;
        loop {
            match self.follow(&mut sender, &mut receiver, &mut feeder).await? {
                Some(end) => return Ok(end),
                None => (sender, receiver) = self.find_again(&mut feeder).await?,
            }
        }
    }

    /// Follows one connection: to the command's end, or to the connection's (`None`).
    async fn follow(
        &mut self,
        sender: &mut CallSender,
        receiver: &mut CallReceiver,
        feeder: &mut Feeder,
    ) -> Result<Option<End>> {
        loop {
            match self.next_step(sender, receiver, feeder).await {
                Step::Message(Ok(Some(body))) => {
                    self.fruitless = 0;
                    if let Some(end) = self.take(body, feeder).await? {
                        return Ok(Some(end));
                    }
                }
                // An answer that stops before its end is a connection that broke.
                Step::Message(Ok(None)) | Step::Cut => return Ok(None),
                Step::Message(Err(error)) if error.is_broken_stream() => return Ok(None),
                Step::Message(Err(error)) => return Err(error.into()),
                Step::Wish(wish) => self.obey(wish).await,
                Step::InterruptOver => self.obey(Wish::Cancel).await,
                Step::VmEnded(how) => return self.last_messages(receiver, feeder, &how).await.map(Some),
                Step::Deadline => {
                    return Ok(Some(End::Forced {
                        cancelled: self.wish != Wish::GoOn,
                    }));
                }
                Step::StdinOver => feeder.wait_for_position(),
            }
        }
    }

    /// Takes what the VM still sent before it ended: perhaps the command's end is among it.
    async fn last_messages(
        &mut self,
        receiver: &mut CallReceiver,
        feeder: &mut Feeder,
        how: &str,
    ) -> Result<End> {
        while let Ok(Ok(Some(body))) = tokio::time::timeout(LAST_WORDS, receiver.next()).await {
            if let Some(end) = self.take(body, feeder).await? {
                return Ok(end);
            }
        }
        Err(self.vm.lost(how).await.into())
    }

    async fn next_step(
        &mut self,
        sender: &mut CallSender,
        receiver: &mut CallReceiver,
        feeder: &mut Feeder,
    ) -> Step {
        let interrupt_over = match self.wish {
            Wish::Interrupt(end) => Some(end),
            Wish::GoOn | Wish::Cancel => None,
        };
        let wishes = &mut *self.wishes;
        tokio::select! {
            message = receiver.next() => Step::Message(message),
            wish = wishes.wish.more_urgent_than(self.wish) => Step::Wish(wish),
            () = wishes.cuts.next() => Step::Cut,
            how = self.vm.ended() => Step::VmEnded(how),
            () = at(self.deadline) => Step::Deadline,
            () = at(interrupt_over) => Step::InterruptOver,
            _broken = feeder.feed(sender) => Step::StdinOver,
        }
    }

    async fn take(&mut self, body: Body, feeder: &mut Feeder) -> Result<Option<End>> {
        match body {
            Body::Started(started) => feeder.go_on_from(started.stdin_offset),
            Body::Stdout(bytes) => self.deliver(Stream::Stdout, bytes).await,
            Body::Stderr(bytes) => self.deliver(Stream::Stderr, bytes).await,
            Body::Ended(ended) => return Ok(Some(End::Reported(ended))),
            Body::Fault(fault) => return Err(GuestError::Refused(fault).into()),
            Body::Done(_) => {
                return Err(GuestError::Nonsense {
                    problem: "a command is not `done`".to_owned(),
                }
                .into());
            }
        }
        Ok(None)
    }

    /// Passes output on; a caller that does not take it holds the command up, but not the caller's own wishes.
    async fn deliver(&mut self, stream: Stream, bytes: Bytes) {
        self.received[stream as usize] += bytes.len() as u64;
        self.kept.push(stream, &bytes);
        let event = match stream {
            Stream::Stdout => RunEvent::Stdout(bytes),
            Stream::Stderr => RunEvent::Stderr(bytes),
        };
        loop {
            let wish = tokio::select! {
                permit = self.events.reserve() => {
                    // Nobody follows the events any more; the command goes on all the same.
                    if let Ok(permit) = permit {
                        permit.send(event);
                    }
                    return;
                }
                wish = self.wishes.wish.more_urgent_than(self.wish) => wish,
                // A run that is being ended does not wait for a caller who takes nothing.
                () = at(self.deadline), if self.wish == Wish::Cancel => return,
            };
            self.obey(wish).await;
        }
    }

    async fn obey(&mut self, wish: Wish) {
        self.wish = wish;
        let (number, limit) = match wish {
            Wish::GoOn => return,
            Wish::Interrupt(end) => (INTERRUPT, end + GRACE + PATIENCE),
            Wish::Cancel => (0, Instant::now() + GRACE + PATIENCE),
        };
        self.deadline = Some(self.deadline.map_or(limit, |deadline| deadline.min(limit)));
        let signal = Signal {
            request_id: self.request_id.clone(),
            number,
            grace_ms: super::millis(GRACE),
        };
        // A command that ended meanwhile is reported in its own call, and so is a connection that broke.
        if let Ok(connection) = self.vm.connection() {
            let _refused = tokio::time::timeout(PATIENCE, connection.signal(signal)).await;
        }
    }

    async fn find_again(&mut self, feeder: &mut Feeder) -> Result<(CallSender, CallReceiver)> {
        loop {
            self.fruitless += 1;
            if self.fruitless > MAX_FRUITLESS_RECONNECTS {
                return Err(self.vm.lost("its connection keeps breaking").await.into());
            }
            self.vm.reconnect().await?;
            feeder.wait_for_position();
            let attach = Attach {
                request_id: self.request_id.clone(),
                stdout_offset: self.received[0],
                stderr_offset: self.received[1],
            };
            match self.vm.connection()?.attach(attach).await {
                Ok(call) => {
                    self.repeat_wish().await;
                    return Ok(call);
                }
                Err(error) if error.is_broken_stream() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A wish may have gone down with the old connection; asking twice does no harm.
    async fn repeat_wish(&mut self) {
        if self.wish == Wish::Cancel {
            self.obey(Wish::Cancel).await;
        }
    }
}

/// `SIGINT` of Linux on every architecture.
const INTERRUPT: i32 = 2;

/// Carries standard input to the command.
struct Feeder {
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
    fn new(stdin: Stdin) -> Self {
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
    fn wait_for_position(&mut self) {
        self.positioned = false;
    }

    /// Sends again what the guest lacks of what was sent before.
    fn go_on_from(&mut self, offset: u64) {
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
    async fn feed(&mut self, sender: &mut CallSender) -> Result<(), GuestError> {
        if !self.positioned {
            return std::future::pending().await;
        }
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

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
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
