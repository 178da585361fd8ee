//! From a request to a VM whose agent answers.

use pyro_proto::message::Exec;
use tokio::sync::mpsc;

use super::{Phase, RunEvent, RunRequest};
use crate::Pyro;
use crate::admission::{Admission, Need, Reservation};
use crate::dirs::{CacheDir, StateDir};
use crate::environment::{BootableEnvironment, EnvironmentProgress};
use crate::error::Result;
use crate::id::VmId;
use crate::isolation;
use crate::runtime::Runtime;
use crate::start::{Clock, OwnDisk, StartedVm, Starter, VM_OVERHEAD_BYTES};

/// What a fresh disk grows by before a command writes anything, in bytes.
const DISK_GROWTH_BYTES: u64 = 64 << 20;

/// A VM that runs its command, or is ready for it.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) environment: BootableEnvironment,
    pub(super) started: StartedVm,
    pub(super) exec: Exec,
    pub(super) reservation: Reservation,
}

/// Gets everything that a VM needs and starts it.
pub(super) async fn start(
    pyro: &Pyro,
    request: &RunRequest,
    vm_id: VmId,
    events: &mpsc::Sender<RunEvent>,
    clock: &mut Clock,
) -> Result<Ready> {
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
        mem_bytes: (u64::from(resources.mem_mib()) << 20) + VM_OVERHEAD_BYTES,
        disk_bytes: DISK_GROWTH_BYTES,
    };
    let reservation = Admission::new(home.path()).reserve(vm_id, need)?;
    clock.lap("admission");

    super::tell(events, RunEvent::Phase(Phase::Starting)).await;
    let starter = Starter {
        pyro,
        runtime: &runtime,
        environment: &environment,
        resources,
        disk_dir: home.path(),
        own_disk: OwnDisk::Nameless,
        tenant: None,
        seed: None,
    };
    let exec = request.wanted().to_exec(&environment.defaults);
    let started = starter.start(vm_id, Some(&exec), &choice, clock).await?;
    Ok(Ready {
        environment,
        started,
        exec,
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
