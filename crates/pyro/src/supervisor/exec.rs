//! One command: recorded, followed, kept, and handed on to whoever asked for it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use pyro_proto::frame::Decoder;
use pyro_proto::message::Exec;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::Supervisor;
use super::api::{Answer, CommandEnd};
use super::wire::{self, Frame};
use crate::command::{self, End, Ending, Follower, RunControl, Stdin, Wishes};
use crate::error::{Error, ErrorCode, Result};
use crate::object::ExecOutcome;
use crate::output::{SharedOutput, Stream};
use crate::vm::SharedVm;
use crate::workspace::{Began, Ended, KeptStreams, OutputKeeper, State, WorkspaceError};

/// How many pieces of output may wait for a client; each is at most one chunk.
const EVENT_QUEUE: usize = 16;

/// How much standard input may wait for the guest, in bytes.
const STDIN_BYTES: usize = 256 << 10;

/// How often a client whose input nobody reads is looked after.
const CLIENT_CHECK: Duration = Duration::from_secs(1);

/// A piece of output.
#[derive(Debug)]
struct Piece(Stream, Bytes);

impl From<(Stream, Bytes)> for Piece {
    fn from((stream, bytes): (Stream, Bytes)) -> Self {
        Self(stream, bytes)
    }
}

/// A command that runs.
#[derive(Debug, Clone)]
pub(super) struct Running {
    /// What the agent knows it by.
    pub(super) request_id: String,
    pub(super) control: RunControl,
    /// Whether it goes on when its client leaves.
    pub(super) is_kept: Rc<Cell<bool>>,
}

impl Running {
    /// Its client left: that ends it unless it is kept.
    fn left(&self) {
        if !self.is_kept.get() {
            self.control.cancel();
        }
    }
}

/// What a client asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) command: String,
    pub(super) cwd: String,
    pub(super) output_limit: u64,
}

/// Runs a command for a client, to its end in any case.
pub(super) async fn serve(
    supervisor: &Rc<Supervisor>,
    request: Request,
    mut stream: UnixStream,
) -> io::Result<()> {
    let Some(Frame::Exec(bytes)) = wire::receive(&mut stream).await? else {
        return Err(io::Error::other("a command was announced and did not come"));
    };
    let mut decoder = Decoder::default();
    decoder.push(&bytes);
    let exec: Exec = decoder
        .next()
        .map_err(io::Error::other)?
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let _busy = supervisor.activity.begin();
    let vm = match supervisor.share_to_use() {
        Ok(vm) => vm,
        Err(error) => return super::fail(&mut stream, &error.into()).await,
    };
    let _last_use = match supervisor.spend() {
        Ok(last_use) => last_use,
        Err(error) => return super::fail(&mut stream, &error).await,
    };
    let began = match supervisor.begin_command(&request) {
        Ok(began) => began,
        Err(error) => return super::fail(&mut stream, &error).await,
    };
    let sequence = began.sequence;
    let answer = Answer::Began {
        sequence,
        generation: began.generation,
        recorded_at: began.recorded_at,
    };
    let (control, wishes) = command::channel();
    let running = Running {
        request_id: exec.request_id.clone(),
        control,
        is_kept: Rc::default(),
    };
    supervisor.commands.borrow_mut().insert(sequence, running.clone());
    let client = Client::new(stream, running, &answer, exec.stdin).await;
    let outcome = follow(supervisor, (vm, &began), &request, exec, client, wishes).await;
    supervisor.commands.borrow_mut().remove(&sequence);
    supervisor.command_gone.notify_waiters();
    outcome
}

impl Supervisor {
    /// The workspace is being stopped, or reset.
    pub(super) fn busy(&self) -> WorkspaceError {
        WorkspaceError::Busy {
            shown: self.id.to_string(),
            state: match self.is_ending.get() {
                true => State::Stopping,
                false => State::Resetting,
            },
            seconds: 0,
        }
    }

    /// Gives a command its number and its line in the history.
    fn begin_command(&self, request: &Request) -> Result<Began> {
        let sequence = self.last_sequence.get() + 1;
        let command_count = self.command_count.get() + 1;
        let began = Began {
            sequence,
            generation: self.generation.get(),
            command: request.command.clone(),
            cwd: request.cwd.clone(),
            recorded_at: Timestamp::now(),
            output_limit: request.output_limit,
            command_count: Some(command_count),
        };
        let recorded = self.recorder.borrow_mut().began(began.clone());
        recorded.map_err(|source| WorkspaceError::Io {
            action: "write the history of",
            path: self.dir.clone(),
            source,
        })?;
        self.last_sequence.set(sequence);
        self.command_count.set(command_count);
        Ok(began)
    }
}

/// The client, which may leave at any moment.
struct Client {
    writer: Option<OwnedWriteHalf>,
    running: Running,
    stdin: Stdin,
    reader: tokio::task::JoinHandle<()>,
}

impl Client {
    async fn new(stream: UnixStream, running: Running, began: &Answer, has_stdin: bool) -> Self {
        let (reader, writer) = stream.into_split();
        let (feed, stdin) = tokio::io::duplex(STDIN_BYTES);
        let reader = tokio::task::spawn_local(listen(reader, has_stdin.then_some(feed), running.clone()));
        let mut client = Self {
            writer: Some(writer),
            running,
            stdin: if has_stdin {
                Stdin::Reader(Box::new(stdin))
            } else {
                Stdin::Empty
            },
            reader,
        };
        client.send(&Frame::json(began)).await;
        client
    }

    /// A client that takes nothing more has given its command up.
    async fn send(&mut self, frame: &Frame) {
        let Some(writer) = &mut self.writer else { return };
        if wire::send(writer, frame).await.is_err() {
            self.writer = None;
            self.running.left();
        }
    }
}

/// Hands standard input on, and gives the command up when the client leaves, unless it is kept.
async fn listen(mut reader: OwnedReadHalf, feed: Option<DuplexStream>, running: Running) {
    let mut feed = feed;
    loop {
        match wire::receive(&mut reader).await {
            Ok(Some(Frame::Stdin(bytes))) => {
                let Some(sink) = &mut feed else { continue };
                let mut written = Box::pin(sink.write_all(&bytes));
                let taken = loop {
                    tokio::select! {
                        taken = &mut written => break taken.is_ok(),
                        () = tokio::time::sleep(CLIENT_CHECK) => {
                            if has_hung_up(&reader) {
                                return running.left();
                            }
                        }
                    }
                };
                drop(written);
                if !taken {
                    feed = None;
                }
            }
            Ok(Some(Frame::StdinEnd)) => feed = None,
            // Another message has no meaning here.
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return running.left(),
        }
    }
}

/// Whether the other end was closed, with input of it still unread.
fn has_hung_up(reader: &OwnedReadHalf) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stream: &UnixStream = reader.as_ref();
    let mut state = [PollFd::new(stream, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut state, Some(&now)).is_ok() && state[0].revents().contains(PollFlags::HUP)
}

async fn follow(
    supervisor: &Supervisor,
    (mut vm, began): (SharedVm, &Began),
    request: &Request,
    exec: Exec,
    mut client: Client,
    mut wishes: Wishes,
) -> io::Result<()> {
    let sequence = began.sequence;
    let (pieces, mut arriving) = mpsc::channel::<Piece>(EVENT_QUEUE);
    let mut keeper = OutputKeeper::new(&supervisor.dir, sequence, request.output_limit);
    let mut problem = None;
    let stdin = std::mem::replace(&mut client.stdin, Stdin::Empty);
    let (end, guest_pid) = {
        // What is kept is kept on disk.
        let mut follower = Follower::new(&mut vm, &pieces, &mut wishes, SharedOutput::new(0));
        let mut run = Box::pin(follower.run(exec, None, stdin));
        let end = loop {
            tokio::select! {
                end = &mut run => break end,
                Some(Piece(stream, bytes)) = arriving.recv() => {
                    take(&mut keeper, &mut client, stream, bytes, &mut problem).await;
                }
            }
        };
        drop(run);
        (end, follower.guest_pid())
    };
    while let Ok(Piece(stream, bytes)) = arriving.try_recv() {
        take(&mut keeper, &mut client, stream, bytes, &mut problem).await;
    }
    client.reader.abort();
    let (streams, put) = keeper.finish();
    if let Err(error) = put {
        problem.get_or_insert_with(|| unkept(&error));
    }
    let end = end.map_err(|error| supervisor.why_it_failed(error));
    let full = supervisor.watch_host_disk();
    let ran_ms = began.recorded_at.duration_until(Timestamp::now()).as_millis();
    let ran_ms = u64::try_from(ran_ms).unwrap_or(0);
    let answer = match conclude(end, streams, ran_ms, full.or(problem)) {
        Ok(end) => {
            supervisor.end_command(sequence, end.outcome, end.exit_code, end.duration_ms, streams);
            Answer::Ended(Box::new(CommandEnd { guest_pid, ..end }))
        }
        Err((outcome, error)) => {
            supervisor.end_command(sequence, outcome, None, ran_ms, streams);
            Answer::Failed((&error).into())
        }
    };
    client.send(&Frame::json(&answer)).await;
    Ok(())
}

async fn take(
    keeper: &mut OutputKeeper,
    client: &mut Client,
    stream: Stream,
    bytes: Bytes,
    problem: &mut Option<String>,
) {
    if let Err(error) = keeper.push(stream, &bytes) {
        problem.get_or_insert_with(|| unkept(&error));
    }
    client
        .send(&match stream {
            Stream::Stdout => Frame::Stdout(bytes),
            Stream::Stderr => Frame::Stderr(bytes),
        })
        .await;
}

fn unkept(error: &impl std::fmt::Display) -> String {
    format!("not all of the output could be kept: {error}")
}

/// Why a command was not followed to its end.
enum NotFollowed {
    /// Its VM was ended on purpose, with all that ran in it.
    VmEnded,
    /// Anything else.
    Failed(Error),
}

/// What came of the command, which began so long ago on the host's clock, or how it is recorded and why it failed.
fn conclude(
    end: Result<End, NotFollowed>,
    streams: KeptStreams,
    ran_ms: u64,
    problem: Option<String>,
) -> Result<CommandEnd, (ExecOutcome, Error)> {
    let left_running = match &end {
        Ok(End::Reported(ended)) => ended.left_running,
        Ok(End::Forced { .. }) | Err(_) => 0,
    };
    let ending = match end {
        Ok(end @ End::Reported(_)) => Ending::from(end),
        Ok(end @ End::Forced { .. }) => Ending {
            duration_ms: ran_ms,
            ..Ending::from(end)
        },
        Err(NotFollowed::VmEnded) => Ending::with_its_vm(ran_ms),
        Err(NotFollowed::Failed(error)) if error.code() == ErrorCode::GuestLost => {
            return Err((ExecOutcome::Lost, error));
        }
        Err(NotFollowed::Failed(error)) => return Err((ExecOutcome::NotStarted, error)),
    };
    Ok(CommandEnd {
        outcome: ending.outcome,
        exit_code: Some(ending.exit_code),
        signal: ending.signal,
        oom_killed: ending.oom_killed,
        duration_ms: ending.duration_ms,
        guest_pid: None,
        left_running,
        streams,
        warning: ending.warning.or(problem),
    })
}

impl Supervisor {
    /// What a guest that is being ended refuses, it refuses for that reason, whatever it says.
    fn why_it_failed(&self, error: Error) -> NotFollowed {
        let is_on_purpose = match error.code() {
            ErrorCode::Cancelled => true,
            ErrorCode::GuestLost => self.is_between.get(),
            _ => self.is_ending.get() || self.is_between.get(),
        };
        if is_on_purpose {
            NotFollowed::VmEnded
        } else {
            NotFollowed::Failed(error)
        }
    }

    fn end_command(
        &self,
        sequence: u64,
        outcome: ExecOutcome,
        exit_code: Option<i32>,
        duration_ms: u64,
        streams: KeptStreams,
    ) {
        let ended = Ended {
            outcome,
            exit_code,
            duration_ms,
            streams,
        };
        if let Err(error) = self.recorder.borrow_mut().ended(sequence, ended) {
            tracing::error!(%error, sequence, "the end of a command was not recorded");
        }
        self.retention.borrow_mut().add(sequence);
    }
}
