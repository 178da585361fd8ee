//! A command in a workspace, from the client's side.

use std::ffi::OsString;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::CHUNK_BYTES;
use pyro_proto::frame;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::call::{self, answer, gone};
use super::kept::KeptStreams;
use super::live::VmFacts;
use super::record::Record;
use crate::argument::{self, InvalidArgument};
use crate::command::{Command, Stdin, Wanted, Wish, WishReceiver, Wishes, millis};
use crate::environment::ImageDefaults;
use crate::error::{Diagnosis as _, Error, ErrorCode, Result};
use crate::id::WorkspaceId;
use crate::object::{ExecOutcome, ExecutionMode, WorkspaceExec, unisolated};
use crate::output::{KeptOutput, Stream};
use crate::run::{self, Phase, RunEvent};
use crate::supervisor::{Answer, Call, CommandEnd, Frame, receive, send};

/// Where a workspace's tree is in the guest.
pub(crate) use crate::TREE;

/// A command for a workspace, or for a one-shot VM that was created, with everything about it that can be chosen.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExecRequest {
    /// What to run.
    pub command: Command,
    /// How long it may run; `None` is without limit.
    pub timeout: Option<Duration>,
    /// The working directory; `/workspace` if absent, in a one-shot VM the image's.
    pub cwd: Option<String>,
    /// Variables on top of the image's.
    pub env: Vec<(String, OsString)>,
    /// The user, as `name`, `uid`, `name:group` or `uid:gid`; the image's if absent.
    pub user: Option<String>,
    /// The command's standard input.
    pub stdin: Stdin,
    /// The most output kept, over both streams, in bytes; the settings' default if absent.
    pub output_limit: Option<u64>,
    /// Whether to say what the command changed in the tree.
    pub return_diff: bool,
}

impl ExecRequest {
    /// A request with every choice at its default.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            timeout: Some(argument::DEFAULT_TIMEOUT),
            cwd: None,
            env: Vec::new(),
            user: None,
            stdin: Stdin::Empty,
            output_limit: None,
            return_diff: false,
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidArgument> {
        self.wanted().validate()
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            command: &self.command,
            timeout: self.timeout,
            cwd: self.cwd.as_deref(),
            env: &self.env,
            user: self.user.as_deref(),
            has_stdin: matches!(self.stdin, Stdin::Reader(_)),
        }
    }
}

/// What a command is run with.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) id: WorkspaceId,
    pub(super) dir: &'a Path,
    pub(super) record: Record,
    /// The image's, with the working directory of this place.
    pub(super) defaults: ImageDefaults,
    pub(super) output_limit: u64,
    pub(super) auto_started: bool,
    pub(super) vm: Option<VmFacts>,
}

/// A command that was recorded and begins.
#[derive(Debug)]
pub(super) struct Begun {
    stream: UnixStream,
    sequence: u64,
    generation: u64,
    command: String,
    cwd: String,
}

/// Why a command did not begin.
#[derive(Debug)]
pub(super) enum NotBegun {
    /// The workspace is being stopped; what comes of that decides.
    NotNow(Error),
    /// Anything else.
    Refused(Error),
}

impl<E: Into<Error>> From<E> for NotBegun {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Has the supervisor begin a command.
pub(super) async fn begin(place: &Place<'_>, request: &ExecRequest) -> Result<Begun, NotBegun> {
    let exec = request.wanted().to_exec(&place.defaults);
    let command = request.command.to_string();
    let cwd = request
        .cwd
        .clone()
        .unwrap_or_else(|| place.defaults.working_dir.clone());
    let announced = Call::Exec {
        command: command.clone(),
        cwd: cwd.clone(),
        output_limit: place.output_limit,
    };
    let opened = call::open(place.dir, announced).await;
    let mut stream = opened.map_err(NotBegun::NotNow)?;
    send(&mut stream, &Frame::Exec(frame::encode(&exec)))
        .await
        .map_err(gone)?;
    let Some(Frame::Json(bytes)) = receive(&mut stream).await.map_err(gone)? else {
        return Err(gone(std::io::ErrorKind::UnexpectedEof.into()).into());
    };
    match answer(&bytes)? {
        Answer::Began {
            sequence, generation, ..
        } => Ok(Begun {
            stream,
            sequence,
            generation,
            command,
            cwd,
        }),
        Answer::Failed(error) if error.code() == ErrorCode::Busy => Err(NotBegun::NotNow(error.into())),
        Answer::Failed(error) => Err(error.into()),
        Answer::Done | Answer::Ended(_) => Err(gone(std::io::ErrorKind::InvalidData.into()).into()),
    }
}

/// Follows a command to its end, and hands its output on.
pub(super) async fn follow(
    place: &Place<'_>,
    begun: Begun,
    stdin: Stdin,
    events: &mpsc::Sender<RunEvent>,
    wishes: Wishes,
) -> Result<WorkspaceExec> {
    let Begun {
        stream,
        sequence,
        generation,
        command,
        cwd,
    } = begun;
    run::tell(events, RunEvent::Phase(Phase::Running)).await;
    let began = Instant::now();
    let (mut reader, writer) = stream.into_split();
    let mut kept = KeptOutput::new(place.output_limit);
    let mut feed = Box::pin(feed(stdin, writer));
    let Wishes {
        wish,
        mut leave,
        cuts: _cuts,
    } = wishes;
    let mut steer = Box::pin(steer(place.dir, sequence, wish));
    let mut left = Box::pin(async {
        leave.asked().await;
        leave_running(place.dir, sequence).await;
    });
    let end = loop {
        let frame = tokio::select! {
            frame = receive_whole(&mut reader) => frame?,
            () = &mut left => break still_running(began),
            never = &mut feed => match never {},
            never = &mut steer => match never {},
        };
        let (stream, bytes) = match frame {
            Frame::Stdout(bytes) => (Stream::Stdout, bytes),
            Frame::Stderr(bytes) => (Stream::Stderr, bytes),
            Frame::Json(bytes) => match answer(&bytes)? {
                Answer::Ended(end) => break *end,
                Answer::Failed(error) => return Err(error.into()),
                Answer::Done | Answer::Began { .. } => continue,
            },
            Frame::Exec(_) | Frame::Stdin(_) | Frame::StdinEnd => continue,
        };
        kept.push(stream, &bytes);
        tokio::select! {
            () = run::tell(events, RunEvent::from((stream, bytes))) => {}
            () = &mut left => break still_running(began),
            never = &mut steer => match never {},
        }
    };
    Ok(assemble(place, (sequence, generation), (command, cwd), end, kept))
}

async fn receive_whole(reader: &mut tokio::net::unix::OwnedReadHalf) -> Result<Frame> {
    match receive(reader).await.map_err(gone)? {
        Some(frame) => Ok(frame),
        None => Err(gone(std::io::ErrorKind::UnexpectedEof.into()).into()),
    }
}

/// Sends standard input, and keeps the connection open for as long as it lives.
async fn feed(stdin: Stdin, mut writer: OwnedWriteHalf) -> std::convert::Infallible {
    if let Stdin::Reader(mut source) = stdin {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            // A source that fails has no more to give; the command sees the end.
            let count = source.read(&mut buffer).await.unwrap_or(0);
            let frame = match count {
                0 => Frame::StdinEnd,
                _ => Frame::Stdin(Bytes::copy_from_slice(&buffer[..count])),
            };
            // A connection that broke is seen by whoever reads it.
            if send(&mut writer, &frame).await.is_err() || count == 0 {
                break;
            }
        }
    }
    let () = pending().await;
    unreachable!("nothing comes after what is pending")
}

/// Passes the caller's wishes on, by calls of their own.
async fn steer(dir: &Path, sequence: u64, mut wish: WishReceiver) -> std::convert::Infallible {
    let mut known = Wish::GoOn;
    loop {
        known = wish.more_urgent_than(known).await;
        let grace_ms = match known {
            Wish::GoOn => continue,
            Wish::Interrupt(end) => Some(millis(end.saturating_duration_since(Instant::now()))),
            Wish::Cancel => None,
        };
        // A command that ended meanwhile, or a supervisor that went away, is seen by whoever reads the answers.
        let _unheard = call::call(dir, Call::End { sequence, grace_ms }).await;
    }
}

/// Has the supervisor let the command go on; forever if it cannot, for then its end is about to come.
async fn leave_running(dir: &Path, sequence: u64) {
    if let Err(error) = call::call(dir, Call::Keep { sequence }).await {
        tracing::debug!(%error, sequence, "the command was not left running");
        let () = pending().await;
    }
}

/// What a command that was left running has come to.
fn still_running(began: Instant) -> CommandEnd {
    CommandEnd {
        outcome: ExecOutcome::Running,
        exit_code: None,
        signal: None,
        oom_killed: false,
        duration_ms: millis(began.elapsed()),
        left_running: 0,
        streams: KeptStreams::default(),
        guest_pid: None,
        warning: None,
    }
}

fn assemble(
    place: &Place<'_>,
    (sequence, generation): (u64, u64),
    (command, cwd): (String, String),
    end: CommandEnd,
    kept: KeptOutput,
) -> WorkspaceExec {
    let [(stdout, stdout_info), (stderr, stderr_info)] = kept.finish();
    WorkspaceExec {
        workspace_id: place.id,
        sequence,
        generation,
        environment: place.record.environment.clone(),
        environment_version: place.record.environment_version.clone(),
        environment_digest: place.record.environment_digest.clone(),
        command,
        cwd,
        guest_pid: end.guest_pid,
        stdout,
        stderr,
        stdout_info,
        stderr_info,
        exit_code: end.exit_code,
        outcome: end.outcome,
        signal: end.signal,
        oom_killed: end.oom_killed,
        timed_out: end.outcome == ExecOutcome::TimedOut,
        cancelled: end.outcome == ExecOutcome::Cancelled,
        duration_ms: end.duration_ms,
        left_running: end.left_running,
        diff: None,
        auto_started: place.auto_started,
        isolation: place.vm.as_ref().map(|vm| vm.isolation),
        vmm: place.vm.as_ref().map(|vm| vm.vmm),
        execution_mode: place
            .vm
            .as_ref()
            .map_or(ExecutionMode::Pending, |vm| vm.execution_mode),
        warnings: unisolated(place.vm.as_ref().map(|vm| vm.isolation))
            .into_iter()
            .chain(end.warning)
            .collect(),
        metadata: place
            .vm
            .as_ref()
            .map_or_else(Default::default, |vm| vm.metadata.clone()),
    }
}
