//! The result objects of the contract, one struct each, with the same fields on every surface.
//!
//! A field without a value is `null`, never absent. Fields are only ever added.

mod change;
mod disk_usage;
mod doctor;
mod environment;
mod files;
mod guest_use;
mod prepare;
mod prune;
mod transfer;
mod vm;
mod vm_exec;
mod vm_exec_so_far;
mod workspace;

pub use crate::space::Space;
pub use change::{
    DiffEntry, DiffStatus, DiffSummary, IgnoredChanges, PatchEntry, PatchHunk, PatchResult, PatchSummary,
    WorkspaceDiff,
};
pub use disk_usage::{DiskUsage, UsageItem};
pub use doctor::{DoctorCheck, DoctorIssue, DoctorReport, KvmState, Severity, Status, TierState};
pub use environment::{
    EnvironmentInfo, EnvironmentList, EnvironmentOrigin, EnvironmentPaths, EnvironmentState, PruneReport,
};
pub use files::{ArtifactType, FileInfo, FileList, FileRead, FileWrite};
pub use guest_use::GuestUse;
pub(crate) use guest_use::unisolated;
pub use prepare::{PrepareReport, PrepareStep};
pub use prune::{KeptItem, PruneKind, PrunedItem, Pruning};
pub use transfer::{
    OriginKind, SeedMode, SkippedFile, SyncReport, WorkspaceExport, WorkspaceSeed, WorkspaceSync,
};
pub use vm::{Reap, VmDeletion, VmInfo, VmNetwork, VmSummary};
pub use vm_exec::{Cleanup, CleanupReason, ExecOutcome, StreamInfo, TextEncoding, VmExec};
pub use vm_exec_so_far::{VmExecSoFar, VmRun};
pub use workspace::{
    LastCommand, LogEntry, SecretInfo, WorkspaceDeletion, WorkspaceExec, WorkspaceInfo, WorkspaceList,
    WorkspaceLogs, WorkspaceReset, WorkspaceSummary,
};

pub(crate) use vm_exec_so_far::NotYet;

pub use crate::workspace::{State as WorkspaceState, State as VmState, StopReason};

use serde::{Deserialize, Serialize};

/// How the host talks to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExecutionMode {
    /// No VM has run yet.
    Pending,
    /// Through the VM's own vsock.
    GuestVsock,
    /// Through a virtio serial port.
    GuestSerial,
    /// There is no VM: commands are processes of this host.
    HostCompat,
}

/// The program that runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VmmKind {
    /// <https://firecracker-microvm.github.io>.
    Firecracker,
    /// <https://www.qemu.org>.
    Qemu,
    /// There is no VM.
    None,
}
