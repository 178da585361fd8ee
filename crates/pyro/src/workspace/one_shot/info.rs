//! One-shot VMs as their users see them.

use crate::error::Result;
use crate::id::VmId;
use crate::object::{ExecutionMode, VmInfo, VmNetwork, VmSummary};
use crate::workspace::info::{last_activity, time, warnings};
use crate::workspace::record::{Record, State};
use crate::workspace::state::vm_expires_at;
use crate::workspace::store::Found;

/// Why nothing outside can be reached.
const NO_NETWORK: &str = "the VM has no network device";

/// Describes a VM in full.
pub(super) fn describe(found: Found) -> Result<VmInfo> {
    let Found { id, record, live } = found;
    let record = record?;
    let vm = live
        .as_ref()
        .filter(|_| runs(&record))
        .and_then(|live| live.vm.as_ref());
    let live = live.as_ref();
    Ok(VmInfo {
        vm_id: id,
        environment: record.environment.clone(),
        environment_version: record.environment_version.clone(),
        environment_digest: record.environment_digest.clone(),
        vcpu_count: record.vcpu_count,
        mem_mib: record.mem_mib,
        disk_gib: record.disk_gib,
        ttl_seconds: record.ttl_seconds,
        created_at: time(record.created_at),
        last_activity_at: time(last_activity(&record, live)),
        expires_at: vm_expires_at(&record, live).map(time),
        state: record.state,
        stop_reason: record.stop_reason,
        last_error: record.last_error.clone(),
        network_enabled: false,
        allow_host_compat: record.allow_host_compat,
        guest_ip: None,
        tap_name: None,
        isolation: vm.map(|vm| vm.isolation),
        vmm: vm.map(|vm| vm.vmm),
        execution_mode: vm.map_or(ExecutionMode::Pending, |vm| vm.execution_mode),
        warnings: warnings(&record, vm),
        metadata: vm.map_or_else(Default::default, |vm| vm.metadata.clone()),
    })
}

fn runs(record: &Record) -> bool {
    !matches!(record.state, State::Created | State::Stopped)
}

/// Describes a VM for a list.
pub(super) fn summary(found: &Found) -> VmSummary {
    let vm_id = found.id;
    match &found.record {
        Ok(record) => VmSummary {
            vm_id,
            environment: record.environment.clone(),
            state: record.state,
            created_at: Some(time(record.created_at)),
            last_activity_at: Some(time(last_activity(record, found.live.as_ref()))),
            expires_at: vm_expires_at(record, found.live.as_ref()).map(time),
            last_error: record.last_error.clone(),
        },
        Err(error) => VmSummary {
            vm_id,
            environment: String::new(),
            state: State::Damaged,
            created_at: None,
            last_activity_at: None,
            expires_at: None,
            last_error: Some(error.to_string()),
        },
    }
}

/// The network of a VM that has none.
pub(super) fn no_network(vm_id: VmId) -> VmNetwork {
    VmNetwork {
        vm_id,
        network_enabled: false,
        outbound_connectivity_expected: false,
        reason: NO_NETWORK.to_owned(),
        tap_name: None,
        guest_ip: None,
        gateway_ip: None,
        subnet_cidr: None,
        mac_address: None,
        dns_servers: Vec::new(),
        blocked_count: 0,
    }
}
