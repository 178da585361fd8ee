//! *VM exec*: one command in a one-shot VM.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::VmId;
use crate::isolation::Isolation;
use crate::object::{ExecutionMode, SkippedFile, VmmKind, WorkspaceDiff, WorkspaceExport};

/// What a command in a one-shot VM did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VmExec {
    /// The VM; it is gone.
    pub vm_id: VmId,
    /// The environment as the caller named it.
    pub environment: String,
    /// The version of the environment, such as a tag.
    pub environment_version: String,
    /// The digest that fixes the environment's content.
    pub environment_digest: String,
    /// The command, as one line.
    pub command: String,
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
    /// Whether the caller ended it.
    pub cancelled: bool,
    /// From its start to its end, in milliseconds, on the guest's clock.
    pub duration_ms: u64,
    /// From the start of the VMM to the agent's first answer, in milliseconds.
    pub boot_ms: u64,
    /// What differs in `/workspace` from its beginning, if that was asked for; it is named after the VM.
    pub diff: Option<Box<WorkspaceDiff>>,
    /// What was brought out, in the order in which it was asked for; `None` if nothing was.
    pub exports: Option<Vec<WorkspaceExport>>,
    /// What was left out of the seed; `None` without one.
    pub skipped: Option<Vec<SkippedFile>>,
    /// What became of the VM.
    pub cleanup: Cleanup,
    /// The strength of the wall around the guest.
    pub isolation: Isolation,
    /// The program that ran the guest.
    pub vmm: VmmKind,
    /// How the host talked to the guest.
    pub execution_mode: ExecutionMode,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
    /// Further facts: kernel, VMM version, start kind, confinement.
    pub metadata: BTreeMap<String, String>,
}

/// How complete a stream in a result is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamInfo {
    /// All bytes that the command wrote.
    pub bytes: u64,
    /// How the text stands for the bytes.
    pub encoding: TextEncoding,
    /// Whether bytes are missing in the middle.
    pub truncated: bool,
    /// How many are missing.
    pub omitted_bytes: u64,
    /// How many are there.
    pub stored_bytes: u64,
}

/// How text stands for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextEncoding {
    /// The bytes are UTF-8.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Bytes that are no UTF-8 were replaced by U+FFFD.
    #[serde(rename = "utf-8-lossy")]
    Utf8Lossy,
    /// The bytes are in base64 (RFC 4648).
    #[serde(rename = "base64")]
    Base64,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExecOutcome {
    /// By itself.
    Exited,
    /// By a signal that pyro did not send on its own account.
    Signaled,
    /// Its program is missing or cannot be executed.
    NotStarted,
    /// Its time was up.
    TimedOut,
    /// The caller ended it.
    Cancelled,
    /// Its end was never learned.
    Lost,
    /// It runs.
    Running,
}

/// What became of a one-shot VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cleanup {
    /// The VM.
    pub vm_id: VmId,
    /// Whether it is gone.
    pub deleted: bool,
    /// Why.
    pub reason: CleanupReason,
}

/// Why a one-shot VM was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CleanupReason {
    /// Its command ended.
    PostExecCleanup,
    /// The run failed.
    RunVmErrorCleanup,
    /// Somebody asked for it.
    ExplicitDelete,
    /// Nobody used it for its time to live.
    Expired,
}
