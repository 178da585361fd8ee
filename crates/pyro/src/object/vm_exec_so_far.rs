//! *VM exec* of a command that has not ended yet.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::id::VmId;
use crate::isolation::Isolation;
use crate::object::{ExecOutcome, ExecutionMode, StreamInfo, VmExec, VmmKind};
use crate::run::Phase;

/// What a run has come to.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum VmRun {
    /// Its end.
    Ended(Box<VmExec>),
    /// It goes on.
    Running(Box<VmExecSoFar>),
}

/// What a command in a one-shot VM did until now. The fields are those of [`VmExec`], of which some have no value yet.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct VmExecSoFar {
    /// The VM, by which the run is found again.
    pub vm_id: VmId,
    /// The environment as the caller named it.
    pub environment: String,
    /// The version of the environment, once it is known.
    pub environment_version: Option<String>,
    /// The digest of the environment, once it is known.
    pub environment_digest: Option<String>,
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
    /// That it runs.
    pub outcome: ExecOutcome,
    /// What is being done.
    pub phase: Phase,
    /// Since the run began, in milliseconds.
    pub duration_ms: u64,
    /// From the start of the VMM to the agent's first answer, in milliseconds, once there was one.
    pub boot_ms: Option<u64>,
    /// The strength of the wall around the guest, once there is one.
    pub isolation: Option<Isolation>,
    /// The program that runs the guest, once it does.
    pub vmm: Option<VmmKind>,
    /// How the host talks to the guest.
    pub execution_mode: ExecutionMode,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
    /// Further facts.
    pub metadata: BTreeMap<String, String>,
    /// What is known of an end only.
    #[serde(flatten)]
    pub(crate) not_yet: NotYet,
}

/// The fields of [`VmExec`] that a command has once it ended.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct NotYet {
    exit_code: Option<i32>,
    signal: Option<i32>,
    oom_killed: bool,
    timed_out: bool,
    cancelled: bool,
    diff: Option<()>,
    exports: Option<()>,
    skipped: Option<()>,
    cleanup: Option<()>,
}
