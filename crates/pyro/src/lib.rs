//! Disposable microVM workspaces for coding agents.
//!
//! [`Pyro`] is the way in: it runs commands in one-shot VMs and keeps the environments that they start from.
//!
//! The library never prints, and reads no environment variable except in [`Settings::from_env`].

mod admission;
pub mod argument;
mod command;
mod digest;
mod dirs;
mod disk;
mod disk_state;
mod disk_usage;
mod doctor;
mod environment;
mod error;
mod guest;
mod held_lock;
mod id;
mod isolation;
mod leftover;
pub mod object;
mod output;
mod prepare;
mod process;
mod prune;
mod random;
mod repository;
mod resources;
mod run;
mod runtime;
mod settings;
mod space;
mod start;
mod supervisor;
mod sys;
mod template;
mod token_file;
mod tree_path;
mod vm;
mod vmm;
mod workspace;

use std::sync::Arc;

pub use command::{Command, RunControl, Signal, Stdin};
pub use doctor::DoctorRequest;
pub use environment::{
    BuildOptions, EnvironmentProgress, Environments, ImportSource, OnProgress, PruneScope,
};
pub use error::{Diagnosis, Error, ErrorCode, Result};
pub use id::{InvalidId, InvalidName, VmId, WorkspaceId, WorkspaceName, WorkspaceRef};
pub use isolation::{Isolation, IsolationFloor};
pub use prepare::PrepareRequest;
pub use prune::PruneRequest;
pub use repository::{Repository, RepositoryRequest};
pub use resources::{DISK_GIB, MIN_MEM_MIB, Resources, VCPU_COUNT};
pub use run::{BackgroundRuns, Phase, Run, RunEvent, RunRequest};
pub use settings::{DEFAULT_ENVIRONMENT, RegistryAccess, Settings, SettingsError};
pub use supervisor::supervise;
pub use tree_path::{InvalidTreePath, TREE, TreePath};
pub use workspace::{
    CopyRequest, CreateRequest, CreateVmRequest, DEFAULT_LOGS, DiffRequest, ExecRequest, ExportGuard,
    ExportKind, ExportRequest, FileEncoding, FileRange, ListFilesRequest, LogFollower, LogStream,
    LogsRequest, OnTransfer, PushRequest, ReadFileRequest, SeedOrigin, TransferProgress, UpdateRequest, Vm,
    Workspace, WorkspaceFilter, WriteFileRequest,
};

/// The way in. Cheap to clone; opening it probes, hashes and downloads nothing.
#[derive(Debug, Clone)]
pub struct Pyro {
    settings: Arc<Settings>,
}

impl Pyro {
    /// Opens pyro with these settings. Touches nothing on disk.
    pub fn open(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    /// What it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The environments.
    pub fn environments(&self) -> Environments {
        Environments::new(self.clone())
    }

    /// Starts a command in a VM of its own and hands over its events as they come.
    ///
    /// Must be called within a tokio runtime.
    pub fn start_run(&self, request: RunRequest) -> Run {
        Run::start(self.clone(), request)
    }

    /// Runs a command in a VM of its own to its end.
    ///
    /// The VM may begin with a directory of this host as its `/workspace`; what the command changed there can be told, and
    /// brought out:
    ///
    /// ```no_run
    /// # async fn example() -> pyro::Result<()> {
    /// use pyro::{Command, ExportRequest, Pyro, RunRequest, Settings, TreePath};
    ///
    /// let pyro = Pyro::open(Settings::from_env()?);
    /// let mut request = RunRequest::new(Command::Shell("make".to_owned()));
    /// request.seed_path = Some("project".into());
    /// request.return_diff = true;
    /// request.exports = vec![ExportRequest::new(TreePath::parse("build/app")?, "app")];
    /// let done = pyro.run(request).await?;
    /// println!("exit {:?}, {} exported", done.exit_code, done.exports.map_or(0, |exports| exports.len()));
    /// println!("{}", done.diff.map_or_else(String::new, |diff| diff.patch));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Whatever kept the command from running, or from being followed to its end; `output-exists` before it runs. A command
    /// that fails is no error, and its files are exported all the same. An export that fails afterwards is one, with the
    /// command's `exit_code` and its whole `result` in the details.
    pub async fn run(&self, request: RunRequest) -> Result<object::VmExec> {
        let mut run = self.start_run(request);
        while run.next_event().await.is_some() {}
        run.finish().await
    }

    /// Checks everything that pyro needs on this host.
    pub async fn doctor(&self, request: &DoctorRequest) -> object::DoctorReport {
        doctor::examine(self, request).await
    }

    /// Fetches an environment if it is not there, makes the template of a VM of the default size, and proves that VMs
    /// are restored from it. What was proved before is not proved again, unless that is forced.
    ///
    /// Must be called within a tokio runtime. Dropping the future ends the VM that it started.
    ///
    /// # Errors
    /// What keeps the environment or the tier from being had, and `unsupported` for the network. A VM that does not
    /// start is a finding of the report.
    pub async fn prepare(
        &self,
        request: &PrepareRequest,
        progress: OnProgress<'_>,
    ) -> Result<object::PrepareReport> {
        prepare::prepare(self, request, progress).await
    }

    /// Measures what everything that pyro keeps takes on disk. Changes and hashes nothing.
    ///
    /// # Errors
    /// `host-io` if the cache cannot be read.
    pub fn disk_usage(&self) -> Result<object::DiskUsage> {
        disk_usage::measure(self)
    }

    /// Removes leftovers, and templates that no longer serve. What is in use keeps its files.
    ///
    /// # Errors
    /// `runtime-damaged` if what VMs boot now is not known, `host-io` if something cannot be read or removed.
    pub fn prune(&self, request: &PruneRequest) -> Result<object::Pruning> {
        prune::prune(self, request)
    }

    /// All the memory that the host has, in MiB: the upper limit of a VM's.
    pub fn host_memory_mib(&self) -> u64 {
        rustix::system::sysinfo().totalram >> 20
    }
}
