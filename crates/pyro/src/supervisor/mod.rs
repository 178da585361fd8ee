//! The process that owns the VM of a running workspace, or a one-shot VM that was made ahead of its command.
//!
//! It alone holds the VMM, the connection to the agent and the clock of the time to live, and it alone changes the record
//! while the VM runs. Everybody else asks it over a unix socket in the workspace's directory. It outlives every client;
//! the VM dies with it.

mod activity;
mod api;
mod directory;
mod exec;
mod given_up;
mod host_disk;
mod life;
mod machine;
mod on_host;
mod order;
mod relay;
mod reset;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;

use self::activity::Activity;
pub(crate) use self::api::{Answer, Call, CommandEnd, Hello, VERSION};
use self::exec::Running;
use self::given_up::Asked;
use self::life::Ending;
pub(crate) use self::machine::DISK_GROWTH_BYTES;
use self::machine::{Base, DiskIs, RunningVm};
pub(crate) use self::order::{Order, Report, Task};
pub(crate) use self::wire::{Frame, receive, send};
use crate::Pyro;
use crate::error::{Diagnosis, Error, ErrorCode, Result};
use crate::id::WorkspaceId;
use crate::object::ExecOutcome;
use crate::process::ProcessIdentity;
use crate::vm::{FollowedVm as _, SharedVm};
use crate::workspace::{
    DISK, Ended, History, Live, Mover, Record, Recorder, Retention, SOCKET, State, StopReason, Store,
    WorkspaceError, host_boot, kept_of_lost,
};

/// How long answers that are under way may take to leave before the process ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// A supervisor that runs.
#[derive(Debug)]
struct Supervisor {
    pyro: Pyro,
    store: Store,
    id: WorkspaceId,
    dir: PathBuf,
    base: Base,
    activity: Rc<Activity>,
    recorder: RefCell<Recorder>,
    retention: RefCell<Retention>,
    last_sequence: Cell<u64>,
    /// The commands of this generation.
    command_count: Cell<u64>,
    generation: Cell<u64>,
    vm: RefCell<Option<RunningVm>>,
    /// Tells that another VM took the place of the one before.
    vm_changed: Notify,
    /// The commands that run.
    commands: RefCell<BTreeMap<u64, Running>>,
    command_gone: Notify,
    ending: watch::Sender<Option<Ending>>,
    /// Nothing begins any more.
    is_ending: Cell<bool>,
    /// Nothing begins until a VM takes the place of the one that is ended for it.
    is_between: Cell<bool>,
    over: watch::Sender<bool>,
    /// Whether the guest may have failed to write since its VM was started.
    host_disk_was_full: Cell<bool>,
}

/// The order of a supervisor is not one.
#[derive(Debug, thiserror::Error)]
#[error("the order of the supervisor cannot be read")]
struct BadOrder(#[source] io::Error);

impl Diagnosis for BadOrder {
    fn code(&self) -> ErrorCode {
        ErrorCode::Internal
    }
}

/// A client of a version that this supervisor does not understand.
#[derive(Debug, thiserror::Error)]
#[error("`{id}` runs under pyro {}", env!("CARGO_PKG_VERSION"))]
struct OtherVersion {
    id: WorkspaceId,
}

impl Diagnosis for OtherVersion {
    fn code(&self) -> ErrorCode {
        ErrorCode::VersionMismatch
    }

    fn hint(&self) -> Option<String> {
        Some(format!(
            "stop and start `{}` with one version of pyro, or use that one",
            self.id
        ))
    }
}

/// Runs a supervisor to its end: its order is a line of `input`, its report a line of `output`. Whoever ordered it holds
/// the other end of `input` for as long as it waits; what was begun is undone if that goes away before.
///
/// Must be called within a tokio runtime of one thread.
///
/// # Errors
/// What kept the workspace from being started, which was reported too.
pub async fn supervise(input: File, mut output: File) -> Result<()> {
    let mut line = Vec::new();
    let read = BufReader::new(&input).read_until(b'\n', &mut line);
    let parsed = read.and_then(|_| serde_json::from_slice::<Order>(&line).map_err(io::Error::other));
    let order = parsed.map_err(BadOrder)?;
    LocalSet::new()
        .run_until(async move {
            let asked = Asked::of(&order);
            let begun = tokio::select! {
                begun = Box::pin(begin(&order)) => begun,
                // What was begun is dropped by now, and its VM with it.
                () = closed(&input) => {
                    asked.give_up();
                    Err(WorkspaceError::Cancelled.into())
                }
            };
            let report = match &begun {
                Ok(_) => Report::Ready,
                Err(error) => Report::Failed(error.into()),
            };
            let mut bytes = serde_json::to_vec(&report).expect("reports have a JSON form");
            bytes.push(b'\n');
            // Whoever does not listen any more finds the workspace as it is.
            let _unheard = output.write_all(&bytes);
            drop((input, output));
            let (supervisor, listener) = begun?;
            Box::pin(serve(supervisor, listener)).await;
            Ok(())
        })
        .await
}

/// Waits until the other end of a pipe is closed.
async fn closed(input: &File) {
    let watched = input.as_fd().try_clone_to_owned();
    let Ok(watched) = watched.and_then(tokio::net::unix::pipe::Receiver::from_owned_fd) else {
        return std::future::pending().await;
    };
    loop {
        if watched.readable().await.is_err() {
            return;
        }
        match watched.try_read(&mut [0; 64]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

async fn begin(order: &Order) -> Result<(Rc<Supervisor>, UnixListener)> {
    let pyro = Pyro::open(order.settings());
    let store = Store::of(order.kind, &pyro.settings().home);
    let id = order.workspace_id;
    let dir = store.dir(id);
    let own = ProcessIdentity::own().map_err(|source| WorkspaceError::Io {
        action: "make out",
        path: "/proc/self/stat".into(),
        source,
    })?;
    let record = store.read(id)?;
    let live = Live {
        supervisor: own,
        boot: host_boot().to_owned(),
        vm: None,
        last_activity_at: Timestamp::now(),
        busy: 0,
    };
    let history = History::read(&dir).map_err(Supervisor::io("read the history of", &dir))?;
    let recorder = recover(&history, &dir).map_err(Supervisor::io("write the history of", &dir))?;
    let retention = Retention::of(&dir).map_err(Supervisor::io("list the output in", &dir))?;
    let base = Base::of(&pyro, &record)?;
    let ttl = Duration::from_secs(record.ttl_seconds);
    let supervisor = Rc::new(Supervisor {
        activity: Rc::new(Activity::new(dir.clone(), live, ttl)),
        recorder: RefCell::new(recorder),
        retention: RefCell::new(retention),
        last_sequence: Cell::new(history.last_sequence()),
        command_count: Cell::new(history.count_in(record.generation)),
        generation: Cell::new(record.generation),
        vm: RefCell::default(),
        vm_changed: Notify::new(),
        commands: RefCell::default(),
        command_gone: Notify::new(),
        ending: watch::Sender::new(None),
        is_ending: Cell::new(false),
        is_between: Cell::new(false),
        over: watch::Sender::new(false),
        host_disk_was_full: Cell::new(false),
        base,
        pyro,
        store,
        id,
        dir,
    });
    supervisor.start(order.task, &record).await?;
    let listener = supervisor.listen()?;
    Ok((supervisor, listener))
}

/// Opens the history for more, after the end of what another supervisor took with it is written down.
fn recover(history: &History, dir: &std::path::Path) -> io::Result<Recorder> {
    let mut recorder = Recorder::open(dir)?;
    for entry in history.entries.values().filter(|entry| entry.ended.is_none()) {
        let lost = Ended {
            outcome: ExecOutcome::Lost,
            exit_code: None,
            duration_ms: 0,
            streams: kept_of_lost(dir, &entry.began),
        };
        recorder.ended(entry.began.sequence, lost)?;
    }
    Ok(recorder)
}

impl Supervisor {
    fn io(action: &'static str, dir: &std::path::Path) -> impl FnOnce(io::Error) -> WorkspaceError {
        let path = dir.to_owned();
        move |source| WorkspaceError::Io { action, path, source }
    }

    /// Starts the first VM, and records that the workspace is started.
    async fn start(&self, task: Task, record: &Record) -> Result<()> {
        let vm = match task {
            Task::Reset => self.start_anew(record).await?,
            Task::Create => self.start_on(DiskIs::New, record).await?,
            Task::Start => self.start_on(DiskIs::Old, record).await?,
        };
        self.activity.set_vm(vm.facts.clone());
        self.vm.replace(Some(vm));
        let last_activity_at = self.activity.last_at();
        self.store.update(self.id, |record| {
            record.state = State::Started;
            record.mover = None;
            record.stop_reason = None;
            record.last_error = None;
            record.last_activity_at = last_activity_at;
            if task == Task::Reset {
                record.generation += 1;
                record.last_reset_at = Some(last_activity_at);
            }
            self.generation.set(record.generation);
            Ok(())
        })?;
        if task == Task::Reset {
            self.record_reset();
        }
        Ok(())
    }

    /// Starts what runs the workspace on the ground that it has, or has from now on.
    async fn start_on(&self, disk_is: DiskIs, record: &Record) -> Result<RunningVm> {
        match &self.base {
            Base::Image(environment) => {
                machine::start(&self.pyro, record, environment, &self.dir, (DISK, disk_is)).await
            }
            Base::Host => {
                on_host::prepare(&self.dir).await?;
                on_host::start(&self.pyro, record, &self.dir).await
            }
        }
    }

    /// A generation began.
    fn record_reset(&self) {
        self.command_count.set(0);
        if let Err(error) = self.recorder.borrow_mut().reset(self.generation.get()) {
            tracing::error!(%error, "a reset was not recorded in the history");
        }
    }

    /// Opens the socket. Its path may be longer than a socket's address: it is bound by way of its directory.
    fn listen(&self) -> Result<UnixListener> {
        let io = |action| Self::io(action, &self.dir);
        match std::fs::remove_file(self.dir.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("use")(error).into()),
            Ok(()) | Err(_) => {}
        }
        let dir = File::open(&self.dir).map_err(io("open"))?;
        let path = crate::workspace::socket_path(&dir);
        let listener = std::os::unix::net::UnixListener::bind(path).map_err(io("listen in"))?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.dir.join(SOCKET), private).map_err(io("make private in"))?;
        listener.set_nonblocking(true).map_err(io("listen in"))?;
        Ok(UnixListener::from_std(listener).map_err(io("listen in"))?)
    }

    /// A share of the VM that runs now; there is none while one takes the place of another, and at the end.
    fn share(&self) -> Option<SharedVm> {
        self.vm.borrow().as_ref().map(|vm| vm.kept.share())
    }

    /// A share of the VM for something that begins now.
    ///
    /// # Errors
    /// `busy` if nothing does.
    fn share_to_use(&self) -> Result<SharedVm, WorkspaceError> {
        let is_refused = self.is_ending.get() || self.is_between.get();
        self.share().filter(|_| !is_refused).ok_or_else(|| self.busy())
    }
}

/// Serves clients until the workspace is to be stopped, and stops it.
async fn serve(supervisor: Rc<Supervisor>, listener: UnixListener) {
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let supervisor = Rc::clone(&supervisor);
                    tokio::task::spawn_local(async move {
                        if let Err(error) = answer(&supervisor, stream).await {
                            tracing::debug!(%error, "a client went away");
                        }
                    });
                }
                // Too many descriptors are open, or memory is short: there will be fewer.
                Err(error) => {
                    tracing::warn!(%error, "a client could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    let ending = tokio::select! {
        ending = supervisor.reason_to_end() => ending,
        never = accept => never,
    };
    supervisor.end(ending).await;
    drop(std::fs::remove_file(supervisor.dir.join(SOCKET)));
    supervisor.over.send_replace(true);
    // Those who asked for the end are told.
    let all_told = async {
        while Rc::strong_count(&supervisor) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    drop(tokio::time::timeout(FAREWELL, all_told).await);
}

impl Supervisor {
    /// Waits for whatever ends the workspace's VM.
    async fn reason_to_end(&self) -> Ending {
        let mut asked = self.ending.subscribe();
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => drop(terminate.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            ending = asked.wait_for(Option::is_some) => {
                ending.ok().and_then(|ending| *ending).unwrap_or_else(|| Ending::asked(true))
            }
            how = self.vm_ended() => {
                tracing::warn!(%how, "the VM ended");
                Ending::of_vm(StopReason::GuestExited)
            }
            () = self.activity.expired() => Ending::gentle(StopReason::TtlExpired),
            () = terminated => Ending::gentle(StopReason::SupervisorLost),
        }
    }

    /// Waits until the VM ended by itself, and not because another one took its place.
    async fn vm_ended(&self) -> String {
        loop {
            let mut changed = std::pin::pin!(self.vm_changed.notified());
            let Some(mut share) = self.share() else {
                changed.await;
                continue;
            };
            tokio::select! {
                biased;
                () = &mut changed => {}
                how = share.ended() => {
                    if !self.is_between.get() {
                        return how;
                    }
                    changed.await;
                }
            }
        }
    }
}

/// Answers one client.
async fn answer(supervisor: &Rc<Supervisor>, mut stream: UnixStream) -> io::Result<()> {
    // The socket is private to its user, and so is its directory; this holds should either be changed.
    let peer = stream.peer_cred()?;
    if peer.uid() != rustix::process::geteuid().as_raw() && peer.uid() != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let Some(Frame::Json(bytes)) = receive(&mut stream).await? else {
        return Ok(());
    };
    let hello: Hello = match serde_json::from_slice(&bytes) {
        Ok(hello) => hello,
        // Of a later version, for all that can be known.
        Err(_) => return fail(&mut stream, &OtherVersion { id: supervisor.id }.into()).await,
    };
    if hello.api != VERSION {
        return fail(&mut stream, &OtherVersion { id: supervisor.id }.into()).await;
    }
    let done = match hello.call {
        Call::Ping => Ok(()),
        Call::Exec {
            command,
            cwd,
            output_limit,
        } => {
            let request = exec::Request {
                command,
                cwd,
                output_limit,
            };
            return exec::serve(supervisor, request, stream).await;
        }
        Call::PingGuest => supervisor.ping_guest().await,
        Call::Guest { verb } => return relay::serve(supervisor, &verb, stream).await,
        Call::End { sequence, grace_ms } => {
            supervisor.end_command_early(sequence, grace_ms);
            Ok(())
        }
        Call::Signal { sequence, number } => supervisor.signal(sequence, number).await,
        Call::Keep { sequence } => supervisor.keep(sequence),
        Call::Wait { sequence, at_most_ms } => {
            supervisor.wait(sequence, Duration::from_millis(at_most_ms)).await;
            Ok(())
        }
        Call::SetTtl { ttl_seconds } => {
            supervisor.activity.set_ttl(Duration::from_secs(ttl_seconds));
            Ok(())
        }
        Call::Stop { at_once } => {
            supervisor.ending.send_replace(Some(Ending::asked(at_once)));
            let mut over = supervisor.over.subscribe();
            drop(over.wait_for(|over| *over).await);
            Ok(())
        }
        Call::Reset => supervisor.reset().await,
    };
    match done {
        Ok(()) => send(&mut stream, &Frame::json(&Answer::Done)).await,
        Err(error) => fail(&mut stream, &error).await,
    }
}

async fn fail(stream: &mut UnixStream, error: &Error) -> io::Result<()> {
    send(stream, &Frame::json(&Answer::Failed(error.into()))).await
}

/// The record while the supervisor moves it to another state.
fn moving(record: &mut Record, state: State) -> Result<(), WorkspaceError> {
    record.mover = Some(Mover::own(record.state)?);
    record.state = state;
    Ok(())
}
