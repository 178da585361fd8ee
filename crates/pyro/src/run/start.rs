//! From a request to a VM whose agent answers.

use std::path::Path;

use tokio::sync::mpsc;

use super::clock::Clock;
use super::{Phase, RunEvent, RunRequest};
use crate::Pyro;
use crate::admission::{Admission, Need, Reservation};
use crate::dirs::{CacheDir, StateDir};
use crate::disk::DiskSource;
use crate::environment::{BootableEnvironment, EnvironmentProgress};
use crate::error::Result;
use crate::id::VmId;
use crate::isolation::{self, Choice, Isolation, IsolationFloor, KvmProbe};
use crate::runtime::Runtime;
use crate::vm::{LiveVm, VmError};
use crate::vmm::qemu::Qemu;
use crate::vmm::{Disk, DiskAccess, MachineSpec};

/// What a fresh disk grows by before a command writes anything, in bytes.
const DISK_GROWTH_BYTES: u64 = 64 << 20;

/// What a VMM needs besides the guest's memory, in bytes.
const VMM_OVERHEAD_BYTES: u64 = 60 << 20;

/// A VM that is ready for its command.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) environment: BootableEnvironment,
    pub(super) vm: LiveVm,
    pub(super) isolation: Isolation,
    pub(super) reservation: Reservation,
    pub(super) warnings: Vec<String>,
}

/// Gets everything that a VM needs and starts it.
pub(super) async fn start(
    pyro: &Pyro,
    request: &RunRequest,
    vm_id: VmId,
    events: &mpsc::Sender<RunEvent>,
    clock: &mut Clock,
) -> Result<Started> {
    let settings = pyro.settings();
    let floor = request.isolation.unwrap_or(settings.isolation);
    let runtime = Runtime::open(settings)?;
    let cache = CacheDir::open(&settings.cache_dir)?;
    let home = StateDir::open(&settings.home)?;
    runtime.verify(cache.path())?;
    let choice = isolation::choose(settings, floor)?;
    clock.lap("checks");

    let environment = environment(pyro, request, events).await?;
    clock.lap("environment");

    let resources = request.resources;
    let need = Need {
        mem_bytes: (u64::from(resources.mem_mib()) << 20) + VMM_OVERHEAD_BYTES,
        disk_bytes: DISK_GROWTH_BYTES,
    };
    let reservation = Admission::new(home.path()).reserve(vm_id, need)?;
    clock.lap("admission");

    super::tell(events, RunEvent::Phase(Phase::Starting)).await;
    let machines = Machines {
        pyro,
        request,
        runtime: &runtime,
        environment: &environment,
        disk_dir: home.path(),
    };
    let (vm, isolation, fallback) = boot(&machines, vm_id, floor, choice, clock).await?;
    Ok(Started {
        warnings: environment.warnings.iter().cloned().chain(fallback).collect(),
        environment,
        vm,
        isolation,
        reservation,
    })
}

async fn environment(
    pyro: &Pyro,
    request: &RunRequest,
    events: &mpsc::Sender<RunEvent>,
) -> Result<BootableEnvironment> {
    let name = request
        .environment
        .as_deref()
        .unwrap_or(&pyro.settings().environment);
    super::tell(events, RunEvent::Phase(Phase::Environment)).await;
    let events = events.clone();
    let mut progress = move |progress: EnvironmentProgress| {
        // Progress that nobody takes in time is not worth waiting for.
        let _untold = events.try_send(RunEvent::Environment(progress));
    };
    pyro.environments().ensure(name, &mut progress).await
}

/// What every attempt to boot is made from.
struct Machines<'a> {
    pyro: &'a Pyro,
    request: &'a RunRequest,
    runtime: &'a Runtime,
    environment: &'a BootableEnvironment,
    disk_dir: &'a Path,
}

impl Machines<'_> {
    fn spec(&self, vm_id: VmId, isolation: Isolation) -> Result<MachineSpec> {
        let settings = self.pyro.settings();
        let disks = DiskSource {
            cache_dir: &settings.cache_dir,
            disk_dir: self.disk_dir,
            search_path: &settings.search_path,
        };
        let scratch = disks.scratch(self.request.resources.disk_gib())?;
        Ok(MachineSpec {
            vm_id,
            resources: self.request.resources,
            isolation,
            kernel: self.runtime.kernel(),
            initramfs: self.runtime.initramfs(),
            boot_nonce: crate::random::hex::<16>(),
            disks: vec![
                Disk {
                    image: self.environment.open_root()?,
                    access: DiskAccess::ReadOnly,
                },
                Disk {
                    image: scratch,
                    access: DiskAccess::Scratch,
                },
            ],
        })
    }
}

async fn boot(
    machines: &Machines<'_>,
    vm_id: VmId,
    floor: IsolationFloor,
    choice: Choice,
    clock: &mut Clock,
) -> Result<(LiveVm, Isolation, Vec<String>)> {
    let driver = Qemu::new(choice.vmm.path.clone());
    let spec = machines.spec(vm_id, choice.isolation)?;
    clock.lap("disk");
    let error = match LiveVm::boot(&driver, spec).await {
        Ok(vm) => {
            if choice.isolation == Isolation::Hardware {
                probe(machines.pyro, &choice).confirm();
            }
            record_timing(&vm, clock);
            return Ok((vm, choice.isolation, Vec::new()));
        }
        Err(error) => error,
    };
    let hardware_failed = choice.isolation == Isolation::Hardware && is_boot_failure(&error);
    if hardware_failed {
        probe(machines.pyro, &choice).withdraw(&error.to_string());
    }
    if !hardware_failed || floor != IsolationFloor::Auto {
        return Err(error.into());
    }
    let warning = format!("KVM did not start the guest ({error}); it runs emulated instead");
    let vm = LiveVm::boot(&driver, machines.spec(vm_id, Isolation::Emulated)?).await?;
    record_timing(&vm, clock);
    Ok((vm, Isolation::Emulated, vec![warning]))
}

fn probe(pyro: &Pyro, choice: &Choice) -> KvmProbe {
    KvmProbe::new(&pyro.settings().cache_dir, Some(choice.vmm.clone()))
}

fn is_boot_failure(error: &VmError) -> bool {
    matches!(error, VmError::EndedEarly { .. } | VmError::Silent { .. })
}

fn record_timing(vm: &LiveVm, clock: &mut Clock) {
    let timing = *vm.timing();
    clock.lap("start");
    clock.add("spawn", timing.spawn);
    clock.add("connect", timing.connect);
    clock.add("configure", timing.configure);
    clock.add("guest_ready", timing.guest_ready);
}
