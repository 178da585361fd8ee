//! Workspaces: machines that stay.
//!
//! A workspace is its directory, and any process of the same user may open it. While its VM runs, a supervisor owns
//! that; whoever wants something of it asks the supervisor.

mod call;
mod content;
mod error;
mod exec;
mod ground;
mod guest;
mod handle;
mod history;
mod info;
mod kept;
mod kind;
mod labels;
mod latest;
mod launch;
mod live;
mod log_follower;
mod logs;
mod one_shot;
mod prune;
mod pulse;
mod record;
mod remove;
mod retention;
pub(crate) mod seed;
mod seed_directory;
mod state;
mod store;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

pub use self::content::{
    CopyRequest, DiffRequest, ExportGuard, ExportKind, ExportRequest, FileEncoding, FileRange,
    ListFilesRequest, OnTransfer, PushRequest, ReadFileRequest, TransferProgress, WriteFileRequest,
};
pub(crate) use self::content::{LiveTree, PlannedExport, diff_of};
pub(crate) use self::error::WorkspaceError;
pub use self::exec::ExecRequest;
pub(crate) use self::ground::{Ground, HOST, SEED_TREE};
pub use self::handle::{CreateRequest, SeedOrigin, UpdateRequest, Workspace, WorkspaceFilter};
pub(crate) use self::history::{Began, Ended, History, Recorder};
pub(crate) use self::kept::{KeptStreams, OutputKeeper};
pub(crate) use self::kind::Kind;
pub(crate) use self::live::{Live, VmFacts, host_boot};
pub use self::log_follower::LogFollower;
pub(crate) use self::logs::kept_of_lost;
pub use self::logs::{DEFAULT_LOGS, LogStream, LogsRequest};
#[cfg(test)]
pub(crate) use self::one_shot::vm_record;
pub use self::one_shot::{CreateVmRequest, Vm};
pub(crate) use self::one_shot::{overdue, prune as prune_vms};
pub(crate) use self::prune::prune;
pub(crate) use self::pulse::Pulse;
pub(crate) use self::record::{Mover, Record};
pub use self::record::{State, StopReason};
pub(crate) use self::remove::remove_tree;
pub(crate) use self::retention::Retention;
pub(crate) use self::state::ends_for_good;
pub(crate) use self::store::{Store, stopped};

/// The name of the VM's own disk in a workspace's directory.
pub(crate) const DISK: &str = "disk.img";

/// The name of the image of its seed there.
pub(crate) const SEED: &str = "seed.img";

/// The name of the supervisor's socket there.
pub(crate) const SOCKET: &str = "supervisor.sock";

/// The path of the supervisor's socket by way of its open directory: short, wherever that is (unix(7) allows 107 bytes).
pub(crate) fn socket_path(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))
}
