//! Commands without a VM: the agent as a process of this host.

use std::path::Path;

use pyro_proto::message::Exec;

use super::{Clock, StartKind, StartedVm, new_boot_nonce, record_timing};
use crate::Pyro;
use crate::error::Result;
use crate::id::VmId;
use crate::isolation::Isolation;
use crate::runtime::Runtime;
use crate::vm::{LiveVm, Tenant};
use crate::vmm::HostSpec;

/// Where commands without a VM have their files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostPlace<'a> {
    /// A private directory, by its absolute path; what is in it is the agent's.
    pub(crate) dir: &'a Path,
    /// The directory that has the beginning of the tree, as `tree`; without it the tree begins empty.
    pub(crate) seed: Option<&'a Path>,
}

/// Starts the agent on this host, for a command if there is one, as [`super::Starter::start`] does in a VM.
///
/// # Errors
/// Whatever kept the agent from answering; nothing is left running.
pub(crate) async fn start_on_host(
    pyro: &Pyro,
    runtime: &Runtime,
    vm_id: VmId,
    place: HostPlace<'_>,
    exec: Option<&Exec>,
    tenant: Option<&Tenant>,
    clock: &mut Clock,
) -> Result<StartedVm> {
    let spec = HostSpec {
        vm_id,
        agent: runtime.agent(&pyro.settings().cache_dir)?,
        dir: place.dir.to_owned(),
        seed: place.seed.map(Path::to_owned),
        boot_nonce: new_boot_nonce(),
    };
    let (vm, call) = LiveVm::start_on_host(spec, exec, tenant).await?;
    record_timing(&vm, StartKind::Cold, clock);
    Ok(StartedVm {
        vm,
        call,
        isolation: Isolation::Host,
        kind: StartKind::Cold,
        warnings: Vec::new(),
    })
}
