//! *VM* and what belongs to it: its list, its network, its end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::id::VmId;
use crate::isolation::Isolation;
use crate::object::{CleanupReason, ExecutionMode, VmmKind};
use crate::workspace::{State, StopReason};

/// A one-shot VM that was created ahead of its command.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct VmInfo {
    /// Its id.
    pub vm_id: VmId,
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
    /// How long it may be idle, in seconds.
    pub ttl_seconds: u64,
    /// When it was made, RFC 3339 UTC.
    pub created_at: String,
    /// When it was last used.
    pub last_activity_at: String,
    /// When it will be deleted if nobody uses it; `None` while something runs in it.
    pub expires_at: Option<String>,
    /// What it is doing.
    pub state: State,
    /// Why it does not run, if it did before.
    pub stop_reason: Option<StopReason>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Whether it has a network.
    pub network_enabled: bool,
    /// Whether it may run without isolation.
    pub allow_host_compat: bool,
    /// Its address, if it has a network.
    pub guest_ip: Option<String>,
    /// There is no network interface on the host.
    pub tap_name: Option<String>,
    /// The strength of the wall around the guest, while it runs.
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

/// A one-shot VM in a list.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct VmSummary {
    /// Its id.
    pub vm_id: VmId,
    /// The environment as it was named.
    pub environment: String,
    /// What it is doing.
    pub state: State,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it was last used.
    pub last_activity_at: Option<String>,
    /// When it will be deleted if nobody uses it.
    pub expires_at: Option<String>,
    /// What is wrong with a damaged one, or went wrong last.
    pub last_error: Option<String>,
}

/// A one-shot VM that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VmDeletion {
    /// The VM.
    pub vm_id: VmId,
    /// Whether it is gone.
    pub deleted: bool,
    /// Why.
    pub reason: CleanupReason,
}

/// One-shot VMs that were removed because their time was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reap {
    /// Those that are gone now, in the order of their ids.
    pub deleted_vm_ids: Vec<VmId>,
    /// How many they are.
    pub count: usize,
}

/// The network of a one-shot VM.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct VmNetwork {
    /// The VM.
    pub vm_id: VmId,
    /// Whether it has one.
    pub network_enabled: bool,
    /// Whether its programs can reach anything outside.
    pub outbound_connectivity_expected: bool,
    /// Why.
    pub reason: String,
    /// There is no network interface on the host.
    pub tap_name: Option<String>,
    /// The guest's address.
    pub guest_ip: Option<String>,
    /// The address of its way out.
    pub gateway_ip: Option<String>,
    /// The network that both are in.
    pub subnet_cidr: Option<String>,
    /// The hardware address of the guest's device.
    pub mac_address: Option<String>,
    /// Who answers names.
    pub dns_servers: Vec<String>,
    /// How many connections were refused.
    pub blocked_count: u64,
}
