//! What is written down of a workspace, or of a one-shot VM: `record.json` in its directory.
//!
//! It changes with the life of the workspace, and not with each command: what does is in the history and in
//! `live.json`, which the supervisor writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ground::Ground;
use super::kind::Kind;
use crate::id::{WorkspaceId, WorkspaceName};
use crate::isolation::IsolationFloor;
use crate::object::WorkspaceSeed;
use crate::process::ProcessIdentity;

/// The format that this build writes; it reads all up to it.
pub(crate) const FORMAT: u32 = 1;

/// The record of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) format: u32,
    /// What it is of; absent in records of builds that kept only workspaces.
    #[serde(default)]
    pub(crate) kind: Kind,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) name: Option<WorkspaceName>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) environment: String,
    pub(crate) environment_version: String,
    /// Empty until the environment is resolved.
    pub(crate) environment_digest: String,
    pub(crate) vcpu_count: u32,
    pub(crate) mem_mib: u32,
    pub(crate) disk_gib: u32,
    pub(crate) isolation: IsolationFloor,
    /// Whether it may do without a VM where none can be had.
    #[serde(default)]
    pub(crate) allow_host_compat: bool,
    /// Where it keeps what it has, which says where it can be started; it never changes.
    #[serde(default)]
    pub(crate) ground: Ground,
    pub(crate) ttl_seconds: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) last_activity_at: Timestamp,
    pub(crate) state: State,
    /// Who is doing the work of a passing state.
    pub(crate) mover: Option<Mover>,
    pub(crate) stop_reason: Option<StopReason>,
    /// Since when it has no VM; absent in records of builds that did not note it.
    #[serde(default)]
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) last_error: Option<String>,
    /// Resets so far.
    pub(crate) generation: u64,
    pub(crate) last_reset_at: Option<Timestamp>,
    /// What its tree began with; absent in records of builds that knew no seeds.
    #[serde(default)]
    pub(crate) seed: Option<WorkspaceSeed>,
    /// What is to be known of how it was made.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// Whether the one command of a one-shot VM began: without its supervisor, nothing is left to wait for.
    #[serde(default)]
    pub(crate) is_spent: bool,
}

/// What a workspace, or a one-shot VM, is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It is being made.
    Creating,
    /// It was made and has not been started yet: one-shot VMs alone.
    Created,
    /// Its VM starts.
    Starting,
    /// Its VM runs.
    Started,
    /// Its VM is being ended.
    Stopping,
    /// It has no VM; its disk is kept.
    Stopped,
    /// Its disk is being returned to the baseline.
    Resetting,
    /// It is being removed.
    Deleting,
    /// Its record or its disk cannot be read.
    Damaged,
}

/// Why a workspace has no VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody asked for it.
    Requested,
    /// Nobody used it for its time to live.
    TtlExpired,
    /// The guest ended its machine.
    GuestExited,
    /// The VM did not answer any more.
    GuestLost,
    /// The supervisor was killed.
    SupervisorLost,
    /// The host was started anew.
    HostRestarted,
}

/// A process that does the work of a passing state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mover {
    pub(crate) process: ProcessIdentity,
    /// The boot of the host that the process belongs to.
    pub(crate) boot: String,
    pub(crate) since: Timestamp,
    /// The state to fall back to.
    pub(crate) before: State,
}

impl State {
    /// Its name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Resetting => "resetting",
            Self::Deleting => "deleting",
            Self::Damaged => "damaged",
        }
    }

    /// Whether it ends by itself.
    pub(crate) fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Creating | Self::Starting | Self::Stopping | Self::Resetting | Self::Deleting
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::workspace) fn record() -> Record {
        Record {
            format: FORMAT,
            kind: Kind::Workspace,
            workspace_id: "3f2a91c0d4e5".parse().unwrap(),
            name: Some("alpha".parse().unwrap()),
            labels: BTreeMap::new(),
            environment: "debian:12".to_owned(),
            environment_version: "12".to_owned(),
            environment_digest: "sha256:00".to_owned(),
            vcpu_count: 1,
            mem_mib: 1024,
            disk_gib: 10,
            isolation: IsolationFloor::Auto,
            allow_host_compat: false,
            ground: Ground::Disk,
            ttl_seconds: 3600,
            created_at: Timestamp::UNIX_EPOCH,
            last_activity_at: Timestamp::UNIX_EPOCH,
            state: State::Stopped,
            mover: None,
            stop_reason: Some(StopReason::Requested),
            stopped_at: None,
            last_error: None,
            generation: 0,
            last_reset_at: None,
            seed: None,
            warnings: Vec::new(),
            is_spent: false,
        }
    }

    #[test]
    fn a_record_reads_back() {
        let text = serde_json::to_string(&record()).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record());
    }

    #[test]
    fn a_record_of_a_build_without_the_host_tier_has_a_disk() {
        let mut value = serde_json::to_value(record()).unwrap();
        for field in ["ground", "allow_host_compat"] {
            value.as_object_mut().unwrap().remove(field).unwrap();
        }
        assert_eq!(serde_json::from_value::<Record>(value).unwrap(), record());
    }

    #[test]
    fn a_name_in_a_record_is_checked_like_any_other() {
        let text = serde_json::to_string(&record()).unwrap();
        serde_json::from_str::<Record>(&text.replace("alpha", "../x")).unwrap_err();
        serde_json::from_str::<Record>(&text.replace("3f2a91c0d4e5", "../x")).unwrap_err();
    }
}
