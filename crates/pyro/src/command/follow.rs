//! Follows a command in a guest to its end, across connections that break.

use std::time::Duration;

use bytes::Bytes;
use pyro_proto::message::agent_message::Body;
use pyro_proto::message::{Attach, Ended, Exec, Outcome, Signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::control::{Wish, Wishes};
use super::feed::Feeder;
use super::talk::{Listener, Talk};
use super::{Stdin, millis};
use crate::error::Result;
use crate::guest::{CallSender, Caller, GuestError, SoleCall};
use crate::output::{SharedOutput, Stream};
use crate::vm::FollowedVm;

/// From TERM to KILL, for whatever ends a command.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// What the host allows the guest on top of its own limits, before it takes matters into its own hands.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long what an ended VM sent may take to be read; it is all here, so this is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often in a row a connection may break without anything having arrived.
const MAX_FRUITLESS_RECONNECTS: u32 = 5;

/// How a command ended, as the host knows it.
#[derive(Debug)]
pub(crate) enum End {
    /// The guest reported it.
    Reported(Ended),
    /// The guest did not end it in time, so its VM was.
    Forced {
        /// Whether the caller wanted it; else its time was up.
        cancelled: bool,
    },
}

impl End {
    /// Whether the VM was ended because its guest did not end the command.
    pub(crate) fn is_forced(&self) -> bool {
        matches!(self, Self::Forced { .. })
    }

    /// Whether its caller wanted it.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Reported(ended) => ended.outcome == i32::from(Outcome::Cancelled),
            Self::Forced { cancelled } => *cancelled,
        }
    }
}

/// A command that is being followed.
///
/// Its output goes to `events` in the caller's own kind of event, and is kept.
pub(crate) struct Follower<'a, V, E> {
    vm: &'a mut V,
    events: &'a mpsc::Sender<E>,
    wishes: &'a mut Wishes,
    kept: SharedOutput,
    // By which it is followed, if not alone on a byte stream.
    caller: Option<Caller>,
    request_id: String,
    guest_pid: Option<u32>,
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

impl<'a, V: FollowedVm, E: From<(Stream, Bytes)> + Send> Follower<'a, V, E> {
    pub(crate) fn new(
        vm: &'a mut V,
        events: &'a mpsc::Sender<E>,
        wishes: &'a mut Wishes,
        kept: SharedOutput,
    ) -> Self {
        Self {
            vm,
            events,
            wishes,
            kept,
            caller: None,
            request_id: String::new(),
            guest_pid: None,
            received: [0; 2],
            fruitless: 0,
            wish: Wish::GoOn,
            deadline: None,
        }
    }

    /// Starts the command, unless it was started with its VM, and stays with it to its end.
    ///
    /// # Errors
    /// Whatever the agent refused it with, or the VM went away with. The output up to there is in `kept`.
    pub(crate) async fn run(&mut self, exec: Exec, call: Option<SoleCall>, stdin: Stdin) -> Result<End> {
        self.request_id.clone_from(&exec.request_id);
        if exec.timeout_ms > 0 {
            self.deadline = Some(Instant::now() + Duration::from_millis(exec.timeout_ms) + GRACE + PATIENCE);
        }
        let mut feeder = Feeder::new(stdin);
        let mut talk = match call {
            Some(call) => Talk::Sole(call),
            None => {
                let caller = self.vm.caller().await?;
                let call = match caller.exec(exec).await {
                    Err(error) if error.is_broken_stream() => {
                        return Err(self.vm.lost(&error.to_string()).await.into());
                    }
                    begun => begun?,
                };
                self.caller = Some(caller);
                call.into()
            }
        };
        loop {
            match self.follow(&mut talk, &mut feeder).await? {
                Some(end) => return Ok(end),
                None => talk = self.find_again(&mut feeder).await?,
            }
        }
    }

    /// Its process id in the guest, as the guest says, if it was started.
    pub(crate) fn guest_pid(&self) -> Option<u32> {
        self.guest_pid
    }

    /// What its caller has wished so far.
    pub(crate) fn wish(&self) -> Wish {
        self.wish
    }

    /// Follows one connection: to the command's end, or to the connection's (`None`).
    async fn follow(&mut self, talk: &mut Talk, feeder: &mut Feeder) -> Result<Option<End>> {
        let (mut sender, mut listener) = talk.sides();
        loop {
            match self.next_step(sender.as_deref_mut(), &mut listener, feeder).await {
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
                Step::VmEnded(how) => return self.last_messages(&mut listener, feeder, &how).await.map(Some),
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
        listener: &mut Listener<'_>,
        feeder: &mut Feeder,
        how: &str,
    ) -> Result<End> {
        while let Ok(Ok(Some(body))) = tokio::time::timeout(LAST_WORDS, listener.next()).await {
            if let Some(end) = self.take(body, feeder).await? {
                return Ok(end);
            }
        }
        Err(self.vm.lost(how).await.into())
    }

    async fn next_step(
        &mut self,
        sender: Option<&mut CallSender>,
        listener: &mut Listener<'_>,
        feeder: &mut Feeder,
    ) -> Step {
        let interrupt_over = match self.wish {
            Wish::Interrupt(end) => Some(end),
            Wish::GoOn | Wish::Cancel => None,
        };
        let wishes = &mut *self.wishes;
        tokio::select! {
            message = listener.next() => Step::Message(message),
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
            Body::Started(started) => {
                self.guest_pid = (started.pid != 0).then_some(started.pid);
                feeder.go_on_from(started.stdin_offset);
            }
            Body::Stdout(bytes) => self.deliver(Stream::Stdout, bytes).await,
            Body::Stderr(bytes) => self.deliver(Stream::Stderr, bytes).await,
            Body::Ended(ended) => return Ok(Some(End::Reported(ended))),
            Body::Fault(fault) => return Err(GuestError::Refused(fault).into()),
            Body::Done(_)
            | Body::FileEntries(_)
            | Body::ListEnd(_)
            | Body::FileEntry(_)
            | Body::Data(_)
            | Body::DataEnd(_)
            | Body::ReadEnd(_)
            | Body::FileWritten(_)
            | Body::FileChanges(_)
            | Body::PutResult(_) => {
                return Err(GuestError::Nonsense {
                    problem: "this is no answer to a command".to_owned(),
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
        let event = E::from((stream, bytes));
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
            grace_ms: millis(GRACE),
        };
        // A command that ended meanwhile is reported in its own call, and so is a connection that broke.
        if let Ok(caller) = self.vm.caller().await {
            let _refused = tokio::time::timeout(PATIENCE, caller.signal(signal)).await;
        }
    }

    async fn find_again(&mut self, feeder: &mut Feeder) -> Result<Talk> {
        loop {
            self.fruitless += 1;
            if self.fruitless > MAX_FRUITLESS_RECONNECTS {
                return Err(self.vm.lost("its connection keeps breaking").await.into());
            }
            let caller = self.vm.caller_after(self.caller.as_ref()).await?;
            feeder.wait_for_position();
            let attach = Attach {
                request_id: self.request_id.clone(),
                stdout_offset: self.received[0],
                stderr_offset: self.received[1],
            };
            let attached = caller.attach(attach).await;
            self.caller = Some(caller);
            match attached {
                Ok(call) => {
                    self.repeat_wish().await;
                    return Ok(call.into());
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

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
