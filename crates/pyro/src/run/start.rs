//! From a request to a VM whose agent answers.

use pyro_proto::message::Exec;
use tokio::sync::mpsc;

use super::tree::{self, Seeded};
use super::{Phase, RunEvent, RunRequest};
use crate::Pyro;
use crate::admission::{Admission, Need, Reservation};
use crate::dirs::{CacheDir, StateDir};
use crate::environment::{BootableEnvironment, EnvironmentProgress};
use crate::error::Result;
use crate::id::VmId;
use crate::isolation::{self, Way};
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
    pub(super) seeded: Option<Seeded>,
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
    let mut progress = progress_to(events);
    let planned = tree::plan(pyro, request, &mut progress).await?;
    let floor = request.isolation.unwrap_or(settings.isolation);
    let runtime = Runtime::open(settings)?;
    let cache = CacheDir::open(&settings.cache_dir)?;
    let home = StateDir::open(&settings.home)?;
    runtime.verify(cache.path())?;
    let allow_host_compat = request.allow_host_compat || settings.allow_host_compat;
    let Way::Vm(choice) = isolation::choose(settings, floor, allow_host_compat)? else {
        return Err(crate::start::NoHostYet.into());
    };
    clock.lap("checks");

    super::tell(events, RunEvent::Phase(Phase::Environment)).await;
    let name = request.environment.as_ref().unwrap_or(&settings.environment);
    let environment = pyro.environments().ensure(name, &mut progress).await?;
    clock.lap("environment");

    let user = &environment.defaults.user;
    let seeded = tree::write(planned, home.path(), &environment, &mut progress).await?;
    if seeded.is_some() {
        clock.lap("seed");
    }

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
        tenant: tree::tenant(request, vm_id, seeded.as_ref(), user),
        seed: seeded.as_ref().map(|seeded| &seeded.image),
    };
    let defaults = tree::defaults(&environment.defaults, seeded.as_ref());
    let exec = request.wanted().to_exec(&defaults);
    let started = starter.start(vm_id, Some(&exec), &choice, clock).await?;
    Ok(Ready {
        environment,
        started,
        exec,
        reservation,
        seeded,
    })
}

/// Hands on what is told meanwhile.
fn progress_to(events: &mpsc::Sender<RunEvent>) -> impl FnMut(EnvironmentProgress) + Send + use<> {
    let events = events.clone();
    move |progress| {
        // Progress that nobody takes in time is not worth waiting for.
        let _untold = events.try_send(RunEvent::Environment(progress));
    }
}
