//! What is known of a run while it goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::time::Instant;

use super::start::Origin;
use super::{Phase, RunRequest};
use crate::Pyro;
use crate::command::millis;
use crate::id::VmId;
use crate::isolation::Isolation;
use crate::object::{ExecOutcome, ExecutionMode, NotYet, VmExecSoFar};
use crate::output::SharedOutput;
use crate::vm::LiveVm;
use crate::vmm::MachineFacts;

/// What is known of a run while it goes on. Cheap to clone; clones show the same run.
#[derive(Debug, Clone)]
pub(super) struct SoFar(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vm_id: VmId,
    environment: String,
    command: String,
    began: Instant,
    output: SharedOutput,
    phase: Mutex<Phase>,
    /// Once the VM runs.
    place: OnceLock<Place>,
}

/// Where the command of a run is.
#[derive(Debug)]
pub(super) struct Place {
    environment_version: String,
    environment_digest: String,
    isolation: Isolation,
    machine: MachineFacts,
    boot_ms: u64,
    warnings: Vec<String>,
}

impl Place {
    /// A VM that runs, and what was degraded on the way to it.
    pub(super) fn of(origin: &Origin, vm: &LiveVm, isolation: Isolation, warnings: Vec<String>) -> Self {
        Self {
            environment_version: origin.version.clone(),
            environment_digest: origin.digest.clone(),
            isolation,
            machine: vm.facts().clone(),
            boot_ms: millis(vm.timing().boot()),
            warnings: [origin.warnings.clone(), warnings].concat(),
        }
    }
}

impl SoFar {
    /// A run that is about to begin.
    pub(super) fn of(pyro: &Pyro, request: &RunRequest) -> Self {
        let settings = pyro.settings();
        let environment = request.environment.as_ref().unwrap_or(&settings.environment);
        Self(Arc::new(Inner {
            vm_id: VmId::random(),
            environment: environment.clone(),
            command: request.command.to_string(),
            began: Instant::now(),
            output: SharedOutput::new(request.output_limit.unwrap_or(settings.output_limit)),
            phase: Mutex::new(Phase::Environment),
            place: OnceLock::new(),
        }))
    }

    /// The VM of the run, also before there is one.
    pub(super) fn vm_id(&self) -> VmId {
        self.0.vm_id
    }

    /// What its command printed.
    pub(super) fn output(&self) -> &SharedOutput {
        &self.0.output
    }

    /// Says what is being done now.
    pub(super) fn enter(&self, phase: Phase) {
        *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Says where the command is.
    pub(super) fn settle(&self, place: Place) {
        // A run has one VM.
        let _settled = self.0.place.set(place);
    }

    /// All of it as an object.
    pub(super) fn to_object(&self) -> VmExecSoFar {
        let inner = &*self.0;
        let place = inner.place.get();
        let [(stdout, stdout_info), (stderr, stderr_info)] = inner.output.until_now().finish();
        VmExecSoFar {
            vm_id: inner.vm_id,
            environment: inner.environment.clone(),
            environment_version: place.map(|place| place.environment_version.clone()),
            environment_digest: place.map(|place| place.environment_digest.clone()),
            command: inner.command.clone(),
            stdout,
            stderr,
            stdout_info,
            stderr_info,
            outcome: ExecOutcome::Running,
            phase: *inner.phase.lock().unwrap_or_else(PoisonError::into_inner),
            duration_ms: millis(inner.began.elapsed()),
            boot_ms: place.map(|place| place.boot_ms),
            isolation: place.map(|place| place.isolation),
            vmm: place.map(|place| place.machine.vmm),
            execution_mode: place.map_or(ExecutionMode::Pending, |place| place.machine.execution_mode),
            warnings: place.map_or_else(Vec::new, |place| place.warnings.clone()),
            metadata: BTreeMap::new(),
            not_yet: NotYet::default(),
        }
    }
}
