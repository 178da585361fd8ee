//! From a request to a VM whose agent answers.

use pyro_proto::message::Exec;
use tokio::sync::mpsc;

use super::host_dir::HostDir;
use super::tree::{self, Seeded};
use super::{Phase, RunEvent, RunRequest};
use crate::Pyro;
use crate::admission::{Admission, Need, Reservation};
use crate::dirs::{CacheDir, StateDir};
use crate::environment::{BootableEnvironment, EnvironmentProgress};
use crate::error::Result;
use crate::id::VmId;
use crate::isolation::{self, Choice, Way};
use crate::runtime::Runtime;
use crate::start::{Clock, OwnDisk, StartedVm, Starter, VM_OVERHEAD_BYTES};
use crate::workspace::seed::Planned;

/// What a fresh disk grows by before a command writes anything, in bytes.
const DISK_GROWTH_BYTES: u64 = 64 << 20;

/// A VM that runs its command, or is ready for it; or this host in place of one.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) started: StartedVm,
    pub(super) ground: Ground,
    pub(super) origin: Origin,
    pub(super) exec: Exec,
    pub(super) seeded: Option<Seeded>,
}

/// What a run holds for as long as its command runs. To be dropped once that is gone.
#[derive(Debug)]
pub(super) enum Ground {
    Vm {
        _environment: Box<BootableEnvironment>,
        _reservation: Reservation,
    },
    Host {
        _dir: HostDir,
    },
}

impl Ground {
    /// Gives it back.
    pub(super) async fn leave(self) {
        // There may be much to remove. It goes on if nobody waits for it.
        let _removed = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

/// What a result says of the environment.
#[derive(Debug)]
pub(super) struct Origin {
    /// The name as it is recorded.
    pub(super) name: String,
    /// Its version; empty if nothing of the environment was used.
    pub(super) version: String,
    /// The digest of its manifest; empty if nothing of the environment was used.
    pub(super) digest: String,
    /// What was degraded on the way to it.
    pub(super) warnings: Vec<String>,
}

impl Origin {
    fn of(environment: &BootableEnvironment) -> Self {
        Self {
            name: environment.name.clone(),
            version: environment.version.clone(),
            digest: environment.digest.clone(),
            warnings: environment.warnings.clone(),
        }
    }
}

/// What every start needs.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) pyro: &'a Pyro,
    pub(super) request: &'a RunRequest,
    pub(super) vm_id: VmId,
    pub(super) events: &'a mpsc::Sender<RunEvent>,
    pub(super) runtime: Runtime,
    pub(super) home: StateDir,
    pub(super) planned: Option<Planned>,
}

/// Gets everything that a VM needs and starts it; where none can be had and that is allowed, what this host needs.
pub(super) async fn start(
    pyro: &Pyro,
    request: &RunRequest,
    vm_id: VmId,
    events: &mpsc::Sender<RunEvent>,
    clock: &mut Clock,
) -> Result<Ready> {
    let settings = pyro.settings();
    let planned = tree::plan(pyro, request, &mut progress_to(events)).await?;
    let floor = request.isolation.unwrap_or(settings.isolation);
    let runtime = Runtime::open(settings)?;
    let cache = CacheDir::open(&settings.cache_dir)?;
    let home = StateDir::open(&settings.home)?;
    let allow_host_compat = request.allow_host_compat || settings.allow_host_compat;
    runtime.verify(cache.path())?;
    let way = isolation::choose(settings, floor, allow_host_compat)?;
    clock.lap("checks");
    let start = Start {
        pyro,
        request,
        vm_id,
        events,
        runtime,
        home,
        planned,
    };
    match way {
        Way::Vm(choice) => start.in_vm(&choice, clock).await,
        Way::Host => start.on_host(clock).await,
    }
}

impl Start<'_> {
    async fn in_vm(self, choice: &Choice, clock: &mut Clock) -> Result<Ready> {
        let Self {
            pyro, request, vm_id, ..
        } = self;
        let mut progress = progress_to(self.events);
        super::tell(self.events, RunEvent::Phase(Phase::Environment)).await;
        let environment = pyro
            .environments()
            .ensure(self.environment(), &mut progress)
            .await?;
        clock.lap("environment");

        let home = self.home.path();
        let seeded = tree::write(self.planned, home, &environment, &mut progress).await?;
        if seeded.is_some() {
            clock.lap("seed");
        }

        let resources = request.resources;
        let need = Need {
            mem_bytes: (u64::from(resources.mem_mib()) << 20) + VM_OVERHEAD_BYTES,
            disk_bytes: DISK_GROWTH_BYTES,
        };
        let reservation = Admission::new(home).reserve(vm_id, need)?;
        clock.lap("admission");

        super::tell(self.events, RunEvent::Phase(Phase::Starting)).await;
        let starter = Starter {
            pyro,
            runtime: &self.runtime,
            environment: &environment,
            resources,
            disk_dir: home,
            own_disk: OwnDisk::Nameless,
            tenant: tree::tenant(request, vm_id, seeded.as_ref(), &environment.defaults.user),
            seed: seeded.as_ref().and_then(|seeded| seeded.image.as_ref()),
        };
        let defaults = tree::defaults(&environment.defaults, seeded.as_ref());
        let exec = request.wanted().to_exec(&defaults);
        let started = starter.start(vm_id, Some(&exec), choice, clock).await?;
        Ok(Ready {
            started,
            origin: Origin::of(&environment),
            ground: Ground::Vm {
                _environment: Box::new(environment),
                _reservation: reservation,
            },
            exec,
            seeded,
        })
    }

    /// The environment that is asked for.
    pub(super) fn environment(&self) -> &str {
        let settings = self.pyro.settings();
        self.request.environment.as_ref().unwrap_or(&settings.environment)
    }
}

/// Hands on what is told meanwhile.
pub(super) fn progress_to(events: &mpsc::Sender<RunEvent>) -> impl FnMut(EnvironmentProgress) + Send + use<> {
    let events = events.clone();
    move |progress| {
        // Progress that nobody takes in time is not worth waiting for.
        let _untold = events.try_send(RunEvent::Environment(progress));
    }
}
