//! Making a VM without starting it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Vm;
use crate::Pyro;
use crate::argument;
use crate::environment::OnProgress;
use crate::error::Result;
use crate::id::VmId;
use crate::isolation::IsolationFloor;
use crate::resources::Resources;
use crate::workspace::Kind;
use crate::workspace::ground::Ground;
use crate::workspace::handle::{Undo, Workspace};
use crate::workspace::record::{FORMAT, Mover, Record, State};

/// A one-shot VM to be made, with everything about it that can be chosen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateVmRequest {
    /// The environment; the settings' default if absent.
    pub environment: Option<String>,
    /// The size of the VM.
    pub resources: Resources,
    /// The isolation demanded; the settings' default if absent.
    pub isolation: Option<IsolationFloor>,
    /// Whether it may run on this host itself, isolated by nothing, where no VM can. The settings may allow it too.
    pub allow_host_compat: bool,
    /// How long it may be idle until it is deleted.
    pub ttl: Duration,
}

impl Default for CreateVmRequest {
    fn default() -> Self {
        Self {
            environment: None,
            resources: Resources::default(),
            isolation: None,
            allow_host_compat: false,
            ttl: argument::DEFAULT_VM_TTL,
        }
    }
}

impl Pyro {
    /// Makes a one-shot VM, which is to be started before its command. Its environment is fetched if it is not there.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// `invalid-argument`, and whatever keeps the environment from being had; nothing is left behind.
    pub async fn create_vm(&self, request: &CreateVmRequest, progress: OnProgress<'_>) -> Result<Vm> {
        let size = request.resources;
        let (vcpus, memory, disk) = (size.vcpu_count(), size.mem_mib(), size.disk_gib());
        Resources::new(vcpus.into(), memory.into(), disk.into(), self.host_memory_mib())?;
        argument::in_range("ttl_seconds", request.ttl.as_secs(), &argument::TTL_SECONDS)?;
        crate::dirs::StateDir::open(&self.settings().home)?;
        let kept = Workspace::of(Kind::Vm, self, VmId::random());
        let record = new_record(self, kept.id(), request)?;
        kept.store().create(&record)?;
        let undo = Undo(&kept);
        let environment = match record.ground {
            Ground::Disk => Some(self.environments().ensure(&record.environment, progress).await?),
            Ground::Directory => None,
        };
        kept.store().update(kept.id(), |record| {
            if let Some(environment) = &environment {
                record.environment_version.clone_from(&environment.version);
                record.environment_digest.clone_from(&environment.digest);
                record.warnings.clone_from(&environment.warnings);
            }
            record.last_activity_at = Timestamp::now();
            record.state = State::Created;
            record.mover = None;
            Ok(())
        })?;
        undo.give_up();
        Ok(Vm::of(kept))
    }
}

fn new_record(pyro: &Pyro, id: VmId, request: &CreateVmRequest) -> Result<Record> {
    let (settings, size, now) = (pyro.settings(), request.resources, Timestamp::now());
    let environment = request.environment.as_ref().unwrap_or(&settings.environment);
    let isolation = request.isolation.unwrap_or(settings.isolation);
    let allow_host_compat = request.allow_host_compat || settings.allow_host_compat;
    let ground = Ground::choose(pyro, isolation, allow_host_compat)?;
    Ok(Record {
        format: FORMAT,
        kind: Kind::Vm,
        workspace_id: id,
        name: None,
        labels: BTreeMap::new(),
        environment: ground.environment_name(pyro, environment)?,
        environment_version: String::new(),
        environment_digest: String::new(),
        vcpu_count: size.vcpu_count(),
        mem_mib: size.mem_mib(),
        disk_gib: size.disk_gib(),
        isolation,
        allow_host_compat,
        ground,
        ttl_seconds: request.ttl.as_secs(),
        created_at: now,
        last_activity_at: now,
        state: State::Creating,
        mover: Some(Mover::own(State::Creating)?),
        stop_reason: None,
        stopped_at: None,
        last_error: None,
        generation: 0,
        last_reset_at: None,
        seed: None,
        warnings: Vec::new(),
        is_spent: false,
    })
}
