//! *Workspace* and what belongs to it: its list, its commands, its end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::id::{WorkspaceId, WorkspaceName};
use crate::isolation::Isolation;
use crate::object::{ExecOutcome, ExecutionMode, StreamInfo, VmmKind, WorkspaceDiff, WorkspaceSeed};
use crate::workspace::{State, StopReason};

/// A workspace.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceInfo {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// Its name.
    pub name: Option<WorkspaceName>,
    /// What its owner noted of it.
    pub labels: BTreeMap<String, String>,
    /// The environment as it was named.
    pub environment: String,
    /// The version of the environment, such as a tag.
    pub environment_version: String,
    /// The digest that fixes the environment's content.
    pub environment_digest: String,
    /// Virtual CPUs.
    pub vcpu_count: u32,
    /// Memory, in MiB.
    pub mem_mib: u32,
    /// The quota of its disk, in GiB.
    pub disk_gib: u32,
    /// What its disk takes on the host, in bytes.
    pub disk_used_bytes: u64,
    /// How long it may be idle, in seconds.
    pub ttl_seconds: u64,
    /// When it was made, RFC 3339 UTC.
    pub created_at: String,
    /// When it was last used.
    pub last_activity_at: String,
    /// When it will be stopped if nobody uses it; `None` while it is stopped or something runs in it.
    pub expires_at: Option<String>,
    /// What it is doing.
    pub state: State,
    /// Why it has no VM.
    pub stop_reason: Option<StopReason>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// What its guest may reach; `off` is nothing.
    pub network_policy: String,
    /// Whether it has a network.
    pub network_enabled: bool,
    /// The names that its guest may reach.
    pub allowed_domains: Vec<String>,
    /// The networks that its guest may reach.
    pub allowed_cidrs: Vec<String>,
    /// Whether it may run without isolation.
    pub allow_host_compat: bool,
    /// Its address, if it has a network.
    pub guest_ip: Option<String>,
    /// There is no network interface on the host.
    pub tap_name: Option<String>,
    /// Where its tree is in the guest.
    pub workspace_path: String,
    /// What its tree began with.
    pub workspace_seed: WorkspaceSeed,
    /// The secrets that it has, without their values.
    pub secrets: Vec<SecretInfo>,
    /// Commands of this generation.
    pub command_count: u64,
    /// Commands of all generations.
    pub total_command_count: u64,
    /// The last command.
    pub last_command: Option<LastCommand>,
    /// Resets so far.
    pub reset_count: u64,
    /// When it was last reset.
    pub last_reset_at: Option<String>,
    /// Services that it has, ended ones included.
    pub service_count: u64,
    /// Services that run.
    pub running_service_count: u64,
    /// The last reset, in the result of one.
    pub workspace_reset: Option<WorkspaceReset>,
    /// Whether this operation started it.
    pub auto_started: bool,
    /// The strength of the wall around the guest, while there is one.
    pub isolation: Option<Isolation>,
    /// The program that runs the guest.
    pub vmm: Option<VmmKind>,
    /// How the host talks to the guest.
    pub execution_mode: ExecutionMode,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
    /// Further facts: kernel, VMM version, start kind, confinement.
    pub metadata: BTreeMap<String, String>,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SecretInfo {
    /// What it is called.
    pub name: String,
    /// What its value was taken from.
    pub source_kind: String,
}

/// A command in short.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LastCommand {
    /// Its number.
    pub sequence: u64,
    /// The command, as one line.
    pub command: String,
    /// Where it ran.
    pub cwd: String,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How it ended.
    pub outcome: ExecOutcome,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// A reset.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceReset {
    /// What it was returned to.
    pub snapshot_name: String,
    /// What kind of snapshot that is.
    pub kind: String,
    /// Where its tree is in the guest.
    pub destination: String,
    /// How many files the tree begins with again.
    pub entry_count: u64,
    /// What they hold, in bytes.
    pub bytes_written: u64,
    /// What was restored.
    pub restored: String,
}

/// All workspaces, latest activity first.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceList {
    /// How many are listed.
    pub count: usize,
    /// Where the next page begins.
    pub next_page: Option<String>,
    /// The workspaces.
    pub workspaces: Vec<WorkspaceSummary>,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

impl WorkspaceList {
    /// A list on one page.
    pub fn of(workspaces: Vec<WorkspaceSummary>) -> Self {
        Self {
            count: workspaces.len(),
            next_page: None,
            workspaces,
            warnings: Vec::new(),
        }
    }
}

/// A workspace in a list.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceSummary {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// Its name.
    pub name: Option<WorkspaceName>,
    /// What its owner noted of it.
    pub labels: BTreeMap<String, String>,
    /// The environment as it was named.
    pub environment: String,
    /// What it is doing.
    pub state: State,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it was last used.
    pub last_activity_at: Option<String>,
    /// When it will be stopped if nobody uses it.
    pub expires_at: Option<String>,
    /// Commands of this generation.
    pub command_count: u64,
    /// Services that it has, ended ones included.
    pub service_count: u64,
    /// Services that run.
    pub running_service_count: u64,
    /// What is wrong with a damaged one.
    pub last_error: Option<String>,
    /// The strength of the wall around its guest, while it has one.
    pub isolation: Option<Isolation>,
    /// The program that runs its guest.
    pub vmm: Option<VmmKind>,
    /// How the host talks to its guest.
    pub execution_mode: ExecutionMode,
}

/// A command in a workspace.
#[expect(clippy::struct_excessive_bools, reason = "the fields of the contract")]
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceExec {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Its number.
    pub sequence: u64,
    /// The generation in which it ran.
    pub generation: u64,
    /// The environment as it was named.
    pub environment: String,
    /// The version of the environment, such as a tag.
    pub environment_version: String,
    /// The digest that fixes the environment's content.
    pub environment_digest: String,
    /// The command, as one line.
    pub command: String,
    /// Where it ran.
    pub cwd: String,
    /// Its process id as the workspace's processes see it, if it was started; it leads its process group.
    pub guest_pid: Option<u32>,
    /// What was kept of its standard output.
    pub stdout: String,
    /// What was kept of its standard error.
    pub stderr: String,
    /// How complete [`stdout`](Self::stdout) is.
    pub stdout_info: StreamInfo,
    /// How complete [`stderr`](Self::stderr) is.
    pub stderr_info: StreamInfo,
    /// The exit code: the guest's for a command that ended, 124 and 130 for one that was ended.
    pub exit_code: Option<i32>,
    /// How it ended.
    pub outcome: ExecOutcome,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the guest's kernel killed a process of it for want of memory.
    pub oom_killed: bool,
    /// Whether its time was up.
    pub timed_out: bool,
    /// Whether it was ended before it came to its end.
    pub cancelled: bool,
    /// From its start to its end, in milliseconds, on the guest's clock.
    pub duration_ms: u64,
    /// Processes of it that still run.
    pub left_running: u32,
    /// What it changed in the tree, if that was asked for.
    pub diff: Option<Box<WorkspaceDiff>>,
    /// Whether the workspace was started for it.
    pub auto_started: bool,
    /// The strength of the wall around the guest.
    pub isolation: Option<Isolation>,
    /// The program that runs the guest.
    pub vmm: Option<VmmKind>,
    /// How the host talks to the guest.
    pub execution_mode: ExecutionMode,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
    /// Further facts: kernel, VMM version, start kind, confinement.
    pub metadata: BTreeMap<String, String>,
}

/// Commands of a workspace.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceLogs {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// How many are listed.
    pub count: usize,
    /// The commands, oldest first.
    pub entries: Vec<LogEntry>,
    /// The strength of the wall around its guest, while it has one.
    pub isolation: Option<Isolation>,
    /// The program that runs its guest.
    pub vmm: Option<VmmKind>,
    /// How the host talks to its guest.
    pub execution_mode: ExecutionMode,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

/// A command of the history, with its output.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Its number.
    pub sequence: u64,
    /// The generation in which it ran.
    pub generation: u64,
    /// The command, as one line.
    pub command: String,
    /// Where it ran.
    pub cwd: String,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How it ended.
    pub outcome: ExecOutcome,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// When it began.
    pub recorded_at: String,
    /// What is kept of its standard output, from `offset` on.
    pub stdout: String,
    /// What is kept of its standard error, from `offset` on.
    pub stderr: String,
    /// How complete its standard output is.
    pub stdout_info: StreamInfo,
    /// How complete its standard error is.
    pub stderr_info: StreamInfo,
    /// From which byte of what is kept the text begins.
    pub offset: u64,
    /// Where to go on, if there is more.
    pub next_offset: Option<u64>,
    /// Where the output is kept.
    pub stdout_file: Option<PathBuf>,
    /// Where the output is kept.
    pub stderr_file: Option<PathBuf>,
    /// Whether what was kept of its output was given up for that of later commands.
    pub output_dropped: bool,
}

/// A workspace that is gone.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WorkspaceDeletion {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Whether it is gone.
    pub deleted: bool,
    /// Why.
    pub reason: String,
    /// The strength of the wall around its guest, which it has no more.
    pub isolation: Option<Isolation>,
    /// The program that runs its guest.
    pub vmm: Option<VmmKind>,
    /// How the host talks to its guest.
    pub execution_mode: ExecutionMode,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}
