//! What callers do with workspaces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::call;
use super::content::TreeBefore;
use super::error::WorkspaceError;
use super::exec::{self, ExecRequest, NotBegun, Place, TREE};
use super::ground::{self, Ground, HOST, SEED_TREE};
use super::history::History;
use super::info;
use super::kind::Kind;
use super::labels;
use super::launch::launch;
use super::live::Live;
use super::logs::{self, LogsRequest};
use super::record::{FORMAT, Mover, Record, State, StopReason};
use super::seed;
use super::state::starts_by_itself;
use super::store::{Found, LifeLock, Store, stopped};
use crate::Pyro;
use crate::admission::Admission;
use crate::argument;
use crate::command::Signal;
use crate::environment::{ImageDefaults, OnProgress};
use crate::error::{ErrorCode, Result};
use crate::id::{WorkspaceId, WorkspaceName, WorkspaceRef};
use crate::isolation::IsolationFloor;
use crate::object::{
    LogEntry, WorkspaceDeletion, WorkspaceExec, WorkspaceInfo, WorkspaceLogs, WorkspaceSummary,
};
use crate::process::strays;
use crate::resources::Resources;
use crate::run::Run;
use crate::supervisor::{Call, DISK_GROWTH_BYTES, Task};

/// How long an operation waits for another that excludes it.
pub(super) const EXCLUSION_BOUND: Duration = Duration::from_secs(30);

/// How often it looks whether it may begin.
pub(super) const EXCLUSION_CHECK: Duration = Duration::from_millis(20);

/// How long a supervisor may take to end once it has answered; it has nothing more to do.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// A workspace to be made, with everything about it that can be chosen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateRequest {
    /// The environment; the settings' default if absent.
    pub environment: Option<String>,
    /// The size of the VM.
    pub resources: Resources,
    /// The isolation demanded; the settings' default if absent.
    pub isolation: Option<IsolationFloor>,
    /// Whether it may run on this host itself, isolated by nothing, where no VM can. The settings may allow it too.
    pub allow_host_compat: bool,
    /// How long it may be idle.
    pub ttl: Duration,
    /// Its name.
    pub name: Option<WorkspaceName>,
    /// What its owner notes of it.
    pub labels: BTreeMap<String, String>,
    /// A directory or tar archive of the host, with which its tree begins.
    pub seed_path: Option<PathBuf>,
    /// Whether to take along what Git ignores in the seed.
    pub include_ignored: bool,
    /// How the seed was chosen, for the record.
    pub origin: SeedOrigin,
}

/// How the seed of a workspace was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedOrigin {
    /// By its path.
    #[default]
    Path,
    /// As the project that an MCP server works on.
    Project,
    /// As a repository that was cloned, at this commit.
    Repo(Option<String>),
}

impl Default for CreateRequest {
    fn default() -> Self {
        Self {
            environment: None,
            resources: Resources::default(),
            isolation: None,
            allow_host_compat: false,
            ttl: argument::DEFAULT_WORKSPACE_TTL,
            name: None,
            labels: BTreeMap::new(),
            seed_path: None,
            include_ignored: false,
            origin: SeedOrigin::Path,
        }
    }
}

/// Changes of a workspace; what is absent stays as it is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateRequest {
    /// Another name, or none.
    pub name: Option<Option<WorkspaceName>>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Labels to remove.
    pub clear_labels: Vec<String>,
    /// How long it may be idle.
    pub ttl: Option<Duration>,
}

/// A workspace. A handle owns nothing: dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Workspace {
    pyro: Pyro,
    store: Store,
    id: WorkspaceId,
}

/// Which workspaces to list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WorkspaceFilter {
    /// Only those with these labels; without a value, with any.
    pub labels: BTreeMap<String, Option<String>>,
    /// Only those in this state.
    pub state: Option<State>,
}

impl Pyro {
    /// Makes a workspace and starts it.
    ///
    /// Must be called within a tokio runtime. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// `name-taken`, and whatever keeps the seed, the environment or the VM from being had; nothing is left behind.
    pub async fn create_workspace(
        &self,
        request: &CreateRequest,
        progress: OnProgress<'_>,
    ) -> Result<Workspace> {
        labels::check(&request.labels)?;
        argument::in_range("ttl_seconds", request.ttl.as_secs(), &argument::TTL_SECONDS)?;
        crate::dirs::StateDir::open(&self.settings().home)?;
        check_room(self)?;
        let workspace = Workspace::new(self, WorkspaceId::random());
        let record = new_record(self, workspace.id, request)?;
        let dir = workspace.store.create(&record)?;
        let undo = Undo(&workspace);
        let planned = match &request.seed_path {
            Some(path) => Some(seed::plan(&self.seed_source(path, request), progress).await?),
            None => None,
        };
        let environment = match record.ground {
            Ground::Disk => Some(self.environments().ensure(&record.environment, progress).await?),
            Ground::Directory => None,
        };
        let written = match (planned, &environment) {
            (None, _) => None,
            (Some(planned), Some(environment)) => Some(planned.write(&dir, environment, progress).await?),
            (Some(planned), None) => Some(planned.write_directory(&dir.join(SEED_TREE), progress).await?),
        };
        let (seed, warnings) = match written {
            Some((seed, warnings)) => (seed::chosen(seed, &request.origin), warnings),
            None => (seed::none(), Vec::new()),
        };
        workspace.store.update(workspace.id, |record| {
            if let Some(environment) = &environment {
                record.environment_version.clone_from(&environment.version);
                record.environment_digest.clone_from(&environment.digest);
            }
            record.seed = Some(seed);
            record.warnings = warnings;
            Ok(())
        })?;
        launch(self, (workspace.store.kind(), workspace.id), &dir, Task::Create).await?;
        undo.give_up();
        Ok(workspace)
    }

    fn seed_source<'a>(&self, path: &'a Path, request: &CreateRequest) -> seed::Source<'a> {
        seed::Source {
            path,
            include_ignored: request.include_ignored,
            excludes_file: self.settings().git_excludes_file.clone(),
            quota: u64::from(request.resources.disk_gib()) << 30,
        }
    }

    /// A workspace that is there.
    ///
    /// # Errors
    /// `workspace-not-found`.
    pub fn workspace(&self, reference: &WorkspaceRef) -> Result<Workspace> {
        let store = Store::new(&self.settings().home);
        let found = store.resolve(reference)?;
        Ok(Workspace::new(self, found.id))
    }

    /// All workspaces, the one last used first.
    ///
    /// # Errors
    /// `host-io` if they cannot be listed, `invalid-argument` for labels that no workspace can have.
    pub fn workspaces(&self, filter: &WorkspaceFilter) -> Result<Vec<WorkspaceSummary>> {
        labels::check_wanted(&filter.labels)?;
        let store = Store::new(&self.settings().home);
        let found = store.all()?;
        let mut summaries: Vec<WorkspaceSummary> =
            found.iter().map(|found| info::summary(&store, found)).collect();
        summaries.retain(|summary| {
            filter.state.is_none_or(|state| summary.state == state)
                && labels::has(&summary.labels, &filter.labels)
        });
        summaries.sort_by(|a, b| b.last_activity_at.cmp(&a.last_activity_at));
        Ok(summaries)
    }
}

/// Checks that a VM's disk has room, before that is recorded for which there may be no room either.
fn check_room(pyro: &Pyro) -> Result<()> {
    Ok(Admission::new(&pyro.settings().home).check_disk(DISK_GROWTH_BYTES)?)
}

/// Removes a workspace that was not made.
pub(super) struct Undo<'a>(pub(super) &'a Workspace);

impl Undo<'_> {
    /// It was made.
    pub(super) fn give_up(self) {
        std::mem::forget(self);
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.store.remove(self.0.id) {
            tracing::warn!(%error, "a workspace that was not made is not removed yet");
        }
    }
}

fn new_record(pyro: &Pyro, id: WorkspaceId, request: &CreateRequest) -> Result<Record> {
    let size = request.resources;
    let now = Timestamp::now();
    let settings = pyro.settings();
    let isolation = request.isolation.unwrap_or(settings.isolation);
    let allow_host_compat = request.allow_host_compat || settings.allow_host_compat;
    let ground = Ground::choose(pyro, isolation, allow_host_compat)?;
    let environment = request.environment.as_ref().unwrap_or(&settings.environment);
    Ok(Record {
        format: FORMAT,
        kind: Kind::Workspace,
        workspace_id: id,
        name: request.name.clone(),
        labels: request.labels.clone(),
        environment: ground.environment_name(pyro, environment)?,
        environment_version: String::new(),
        environment_digest: String::new(),
        vcpu_count: size.vcpu_count(),
        mem_mib: size.mem_mib(),
        disk_gib: size.disk_gib(),
        isolation,
        allow_host_compat,
        ground,
        ttl_seconds: request.ttl.as_secs(),
        created_at: now,
        last_activity_at: now,
        state: State::Creating,
        mover: Some(Mover::own(State::Creating)?),
        stop_reason: None,
        stopped_at: None,
        last_error: None,
        generation: 0,
        last_reset_at: None,
        seed: None,
        warnings: Vec::new(),
        is_spent: false,
    })
}

impl Workspace {
    fn new(pyro: &Pyro, id: WorkspaceId) -> Self {
        Self::of(Kind::Workspace, pyro, id)
    }

    /// What is kept like a workspace.
    pub(super) fn of(kind: Kind, pyro: &Pyro, id: WorkspaceId) -> Self {
        Self {
            pyro: pyro.clone(),
            store: Store::of(kind, &pyro.settings().home),
            id,
        }
    }

    pub(super) fn pyro(&self) -> &Pyro {
        &self.pyro
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether it has no VM, so that its commands run on this host itself, isolated by nothing.
    ///
    /// # Errors
    /// `workspace-not-found`, `state-damaged`.
    pub fn is_on_host(&self) -> Result<bool> {
        Ok(self.store.read(self.id)?.ground == Ground::Directory)
    }

    /// Its id.
    pub fn id(&self) -> WorkspaceId {
        self.id
    }

    pub(super) fn settings(&self) -> &crate::Settings {
        self.pyro.settings()
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.store.dir(self.id)
    }

    /// What is known of it, without asking its guest.
    ///
    /// # Errors
    /// `workspace-not-found`, `state-damaged`.
    pub fn status(&self) -> Result<WorkspaceInfo> {
        let found = self.store.find(self.id)?;
        info::describe(&self.store, found)
    }

    /// Changes its name, labels or time to live.
    ///
    /// # Errors
    /// `name-taken`, `invalid-argument`, `workspace-not-found`.
    pub async fn update(&self, request: &UpdateRequest) -> Result<WorkspaceInfo> {
        labels::check(&request.labels)?;
        if let Some(ttl) = request.ttl {
            argument::in_range("ttl_seconds", ttl.as_secs(), &argument::TTL_SECONDS)?;
        }
        let found = self.store.find(self.id)?;
        let change = |record: &mut Record| {
            if let Some(name) = &request.name {
                record.name.clone_from(name);
            }
            for key in &request.clear_labels {
                record.labels.remove(key);
            }
            record.labels.extend(request.labels.clone());
            if let Some(ttl) = request.ttl {
                record.ttl_seconds = ttl.as_secs();
            }
            record.last_activity_at = Timestamp::now();
            Ok(record.labels.clone())
        };
        let labels = match &request.name {
            Some(Some(name)) => self.store.update_named(self.id, name, change)?,
            Some(None) | None => self.store.update(self.id, change)?,
        };
        labels::check(&labels)?;
        let is_started =
            found.live.is_some() && found.record.is_ok_and(|record| record.state == State::Started);
        if let Some(ttl) = request.ttl.filter(|_| is_started) {
            let ttl_seconds = ttl.as_secs();
            call::call(&self.dir(), Call::SetTtl { ttl_seconds }).await?;
        }
        self.status()
    }

    /// Starts a command and hands over its events as they come; a workspace that nobody stopped is started for it.
    ///
    /// Must be called within a tokio runtime.
    pub fn start_exec(&self, request: ExecRequest) -> Run<WorkspaceExec> {
        let workspace = self.clone();
        Run::spawn(|events, wishes| async move {
            request.validate()?;
            let dir = workspace.dir();
            let before = if request.return_diff {
                Some(workspace.tree_before().await?)
            } else {
                None
            };
            let deadline = Instant::now() + EXCLUSION_BOUND;
            let mut auto_started = false;
            loop {
                let place = workspace.place(&dir, &request, &mut auto_started).await?;
                match exec::begin(&place, &request).await {
                    Ok(begun) => {
                        let followed = exec::follow(&place, begun, request.stdin, &events, wishes).await?;
                        return Ok(workspace.with_diff(followed, before).await);
                    }
                    Err(NotBegun::NotNow(error)) if Instant::now() >= deadline => return Err(error),
                    Err(NotBegun::NotNow(_)) => tokio::time::sleep(EXCLUSION_CHECK).await,
                    Err(NotBegun::Refused(error)) => return Err(error),
                }
            }
        })
    }

    /// Adds what a command changed, if that was asked for. It ran, whatever becomes of that.
    async fn with_diff(&self, mut exec: WorkspaceExec, before: Option<TreeBefore>) -> WorkspaceExec {
        if let Some(before) = before {
            match self.diff_since(before).await {
                Ok(diff) => exec.diff = Some(Box::new(diff)),
                Err(error) => exec
                    .warnings
                    .push(format!("what it changed is not known: {error}")),
            }
        }
        exec
    }

    /// Where a command runs: the workspace with its guest, which is started if nobody stopped it.
    async fn place<'a>(
        &self,
        dir: &'a Path,
        request: &ExecRequest,
        auto_started: &mut bool,
    ) -> Result<Place<'a>> {
        let (found, was_started) = self.running().await?;
        *auto_started |= was_started;
        let record = found.record?;
        let defaults = ground::defaults(&self.pyro, &record)?;
        Ok(Place {
            id: self.id,
            dir,
            record,
            defaults: ImageDefaults {
                working_dir: TREE.to_owned(),
                ..defaults
            },
            output_limit: request
                .output_limit
                .unwrap_or_else(|| self.pyro.settings().output_limit),
            auto_started: *auto_started,
            vm: found.live.and_then(|live| live.vm),
        })
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// Whatever kept the command from running, or from being followed to its end. A command that fails is no error.
    pub async fn exec(&self, request: ExecRequest) -> Result<WorkspaceExec> {
        self.start_exec(request).finish().await
    }

    /// Waits until a command does not run any more, at most for a time; [`Workspace::logs`] then says what came of it.
    ///
    /// # Errors
    /// `workspace-not-found`. A workspace that is stopped runs nothing, which is no error.
    pub async fn wait_for_command(&self, sequence: u64, at_most: Duration) -> Result<()> {
        let found = self.store.find(self.id)?;
        if found.live.is_some() {
            let at_most_ms = crate::command::millis(at_most);
            let waited = call::call(&self.dir(), Call::Wait { sequence, at_most_ms }).await;
            // Without a supervisor nothing runs.
            waited.or_else(|error| (error.code() == ErrorCode::GuestLost).then_some(()).ok_or(error))?;
        }
        Ok(())
    }

    /// Ends a command that runs: TERM to all of its processes, KILL after 2 s. It is then `cancelled`. One that has ended is
    /// left as it is.
    ///
    /// # Errors
    /// `workspace-not-found`. A workspace that is stopped runs nothing, which is no error.
    pub async fn cancel_command(&self, sequence: u64) -> Result<()> {
        self.store.find(self.id)?;
        let grace_ms = None;
        match call::call(&self.dir(), Call::End { sequence, grace_ms }).await {
            // Without a supervisor nothing runs.
            Err(error) if error.code() != ErrorCode::GuestLost => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends a signal to every process of a command that runs, and shows the command as it then is.
    ///
    /// # Errors
    /// `item-not-found`, `workspace-not-found`; `invalid-state` for a command that has ended.
    pub async fn kill_command(&self, sequence: u64, signal: Signal) -> Result<LogEntry> {
        let mut request = LogsRequest {
            sequence: Some(sequence),
            limit: Some(0),
            ..LogsRequest::default()
        };
        let over = || WorkspaceError::CommandOver { sequence };
        // That it was ever there is told apart from that it has ended; none of its output is needed for that.
        self.logs(&request)?;
        request.limit = None;
        let number = signal.number();
        let sent = call::call(&self.dir(), Call::Signal { sequence, number }).await;
        match sent {
            Err(error) if error.code() == ErrorCode::GuestLost => return Err(over().into()),
            sent => sent?,
        }
        Ok(self.logs(&request)?.entries.pop().ok_or_else(over)?)
    }

    /// Its commands and what is kept of their output.
    ///
    /// # Errors
    /// `item-not-found`, `workspace-not-found`, `host-io`.
    pub fn logs(&self, request: &LogsRequest) -> Result<WorkspaceLogs> {
        let found = self.store.find(self.id)?;
        logs::read(&self.store, &found, request)
    }

    /// Starts its VM on the disk that it has; one that runs is left alone.
    ///
    /// # Errors
    /// Whatever keeps the VM from starting; the workspace is then stopped as before.
    pub async fn start(&self) -> Result<WorkspaceInfo> {
        self.start_if_stopped().await?;
        self.status()
    }

    pub(super) async fn start_if_stopped(&self) -> Result<()> {
        let _life = self.life().await?;
        let record = self.stopped_or_started().await?;
        if record.state == State::Started {
            return Ok(());
        }
        self.start_stopped(Task::Start, &record).await
    }

    /// Starts a supervisor for a workspace that is stopped, or a VM that was never started, while nobody else may.
    async fn start_stopped(&self, task: Task, record: &Record) -> Result<()> {
        let state = if task == Task::Reset {
            State::Resetting
        } else {
            State::Starting
        };
        check_room(&self.pyro)?;
        let task = match record.state {
            State::Created => Task::Create,
            _ => task,
        };
        let before = (record.state, record.stop_reason);
        self.move_to(state)?;
        let of = (self.store.kind(), self.id);
        // If nobody waits for it any more, the supervisor takes it back.
        let launched = launch(&self.pyro, of, &self.dir(), task).await;
        if let Err(error) = &launched {
            let message = error.message();
            self.store.update(self.id, |record| {
                (record.state, record.stop_reason) = before;
                record.mover = None;
                record.last_error = Some(message);
                Ok(())
            })?;
        }
        launched
    }

    /// Powers its guest off; one that is stopped stays so, as if it had been asked for.
    ///
    /// # Errors
    /// `busy`, `workspace-not-found`, `host-io`.
    pub async fn stop(&self) -> Result<WorkspaceInfo> {
        let _life = self.life().await?;
        self.stopped_or_started().await?;
        if let Some(live) = self.store.find(self.id)?.live {
            // One that went away meanwhile is as good as stopped.
            let _ended = call::call(&self.dir(), Call::Stop { at_once: false }).await;
            gone(&live).await;
        }
        self.end_strays().await;
        // Also for one that stopped by itself: it is not to be started by the next operation.
        let has_ended = self.store.find(self.id)?.live.is_none();
        self.store.update(self.id, |record| {
            if has_ended && record.state != State::Created {
                stopped(record, StopReason::Requested);
            }
            Ok(())
        })?;
        self.status()
    }

    /// Returns its whole disk to the baseline; commands that run are ended. It is started then.
    ///
    /// # Errors
    /// Whatever keeps the new VM from starting; nothing has changed then.
    pub async fn reset(&self) -> Result<WorkspaceInfo> {
        let life = self.life().await?;
        let record = self.stopped_or_started().await?;
        if record.state == State::Started {
            check_room(&self.pyro)?;
            call::call(&self.dir(), Call::Reset).await?;
        } else {
            self.start_stopped(Task::Reset, &record).await?;
        }
        drop(life);
        let mut info = self.status()?;
        info.workspace_reset = Some(info::reset_to_baseline(&info.workspace_seed));
        Ok(info)
    }

    /// Ends whatever runs in it, and removes it with all that it has.
    ///
    /// # Errors
    /// `busy`, `workspace-not-found`, `host-io`.
    pub async fn delete(&self) -> Result<WorkspaceDeletion> {
        let life = self.life().await?;
        let found = self.store.find(self.id)?;
        if found.record.is_ok()
            && let Err(error) = self.move_to(State::Deleting)
        {
            // A full disk is no reason to keep what fills it.
            tracing::warn!(%error, "that a workspace is being deleted was not recorded");
        }
        if let Some(live) = found.live {
            // One that went away meanwhile is as good as ended.
            let _ended = call::call(&self.dir(), Call::Stop { at_once: true }).await;
            gone(&live).await;
        }
        self.end_strays().await;
        self.store.remove(self.id)?;
        drop(life);
        Ok(info::deletion(self.id))
    }

    /// Ends what a workspace without a VM has left if its supervisor and its agent were killed at once: nobody else does.
    async fn end_strays(&self) {
        let record = self.store.read(self.id);
        if record.is_ok_and(|record| record.ground == Ground::Directory) {
            let directory = self.dir().join(HOST);
            // It does not panic.
            let _ended = tokio::task::spawn_blocking(move || strays::end_all_of(&directory)).await;
        }
    }

    /// The workspace with its guest, started if nobody stopped it; and whether it was.
    pub(super) async fn running(&self) -> Result<(Found, bool)> {
        let deadline = Instant::now() + EXCLUSION_BOUND;
        let mut auto_started = false;
        loop {
            let found = self.store.find(self.id)?;
            let Ok(record) = &found.record else {
                return Ok((found, auto_started));
            };
            match record.state {
                State::Started => return Ok((found, auto_started)),
                State::Stopped if !auto_started && starts_by_itself(record.stop_reason) => {
                    self.start_if_stopped().await?;
                    auto_started = true;
                }
                State::Stopped | State::Damaged => {
                    let shown = info::shown(record);
                    let hint = format!("pyro workspace start {shown}");
                    let state = record.state;
                    return Err(WorkspaceError::State { shown, state, hint }.into());
                }
                _ if Instant::now() >= deadline => return Err(busy(record).into()),
                _ => tokio::time::sleep(EXCLUSION_CHECK).await,
            }
        }
    }

    /// The right to start, stop, reset or delete it, as soon as nobody else has it.
    async fn life(&self) -> Result<LifeLock> {
        let deadline = Instant::now() + EXCLUSION_BOUND;
        loop {
            if let Some(lock) = self.store.try_lock_life(self.id)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                let found = self.store.find(self.id)?;
                return Err(busy(&found.record?).into());
            }
            tokio::time::sleep(EXCLUSION_CHECK).await;
        }
    }

    /// Its record, once its supervisor moves it no more: that may be stopping it on its own account.
    async fn stopped_or_started(&self) -> Result<Record> {
        let deadline = Instant::now() + EXCLUSION_BOUND;
        loop {
            let record = self.store.find(self.id)?.record?;
            if !record.state.is_passing() {
                return Ok(record);
            }
            if Instant::now() >= deadline {
                return Err(busy(&record).into());
            }
            tokio::time::sleep(EXCLUSION_CHECK).await;
        }
    }

    fn move_to(&self, state: State) -> Result<(), WorkspaceError> {
        self.store.update(self.id, |record| {
            record.mover = Some(Mover::own(record.state)?);
            record.state = state;
            Ok(())
        })
    }
}

/// Waits until a supervisor that has nothing more to do has ended.
async fn gone(live: &Live) {
    let deadline = Instant::now() + LAST_MOMENTS;
    while live.is_live() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(super) fn busy(record: &Record) -> WorkspaceError {
    let since = record
        .mover
        .as_ref()
        .map_or(record.last_activity_at, |mover| mover.since);
    WorkspaceError::Busy {
        shown: info::shown(record),
        state: record.state,
        seconds: Timestamp::now().as_second() - since.as_second(),
    }
}

/// The history of a workspace, for whoever shows it.
pub(super) fn history(store: &Store, id: WorkspaceId) -> Result<History, WorkspaceError> {
    let dir = store.dir(id);
    History::read(&dir).map_err(super::error::io_error("read the history of", dir))
}
