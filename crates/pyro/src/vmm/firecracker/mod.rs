//! Firecracker (<https://github.com/firecracker-microvm/firecracker/tree/main/docs>), which needs KVM.
//!
//! The machine has a serial console, two virtio disks and vsock. Firecracker takes paths only, so it runs in a jail, and
//! opening any of the paths that it is told gives it an open file of pyro's; none of them exists. Its sockets are in the
//! jail, too.

mod api;
mod inside;
mod requests;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::net::UnixStream;

use self::api::Api;
pub(super) use self::inside::Inside;
use super::cgroup::{self, Limits};
use super::confine::{self, Confined, Confinement};
use super::gate::{Gate, Held, Offer};
use super::{
    Control, FirstStream, Machine, MachineFacts, MachineSpec, Origin, SavedMachine, VmmError, jail,
    kvm_device, open_part, pair,
};
use crate::id::VmId;
use crate::object::{ExecutionMode, VmmKind};
use crate::process::{Launch, Ring};

/// Starts machines with one Firecracker binary.
#[derive(Debug, Clone)]
pub(crate) struct Firecracker {
    program: PathBuf,
}

/// A connection to a Firecracker.
#[derive(Debug)]
pub(crate) struct Running {
    api: Api,
    gate: Gate,
    inside: Inside,
}

impl Firecracker {
    /// Takes the path of `firecracker`.
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Starts a machine. Returns as soon as its guest runs; the agent answers later.
    ///
    /// # Errors
    /// [`VmmError`] if a part cannot be opened, or Firecracker not be started, or it refuses. Nothing is left running.
    pub(crate) async fn start(&self, spec: MachineSpec) -> Result<Machine, VmmError> {
        let (console, console_end) = pair()?;
        let (messages, messages_end) = pair()?;
        let vm_id = spec.vm_id;
        let limits = Limits::new(
            spec.resources,
            spec.isolation,
            cgroup::disks_in_memory(&spec.disks),
        );
        let (plan, offers) = Plan::of(spec)?;
        let confinement = Confinement {
            inherited: Vec::new(),
            offers,
            held: Held::OpenAndListen,
            vm_id,
            jailed: Some(self.program.clone()),
            limits,
        };
        let spawn_failed = |source| VmmError::Spawn {
            program: self.program.clone(),
            source,
        };
        let launch = launch(&self.program, vm_id, console_end, messages_end).map_err(spawn_failed)?;
        let confined = confine::start(launch, confinement, messages).await;
        // Bindings are dropped from the last to the first: the process goes before its cgroup.
        let Confined {
            cgroup,
            in_force,
            gate,
            root,
            mut process,
        } = confined.map_err(spawn_failed)?;
        let console = Ring::read(console);
        let missing = || spawn_failed(std::io::Error::other("it did not say how it is confined"));
        let (mut gate, root) = gate.zip(root).ok_or_else(missing)?;
        let inside = Inside::of(root);
        let starting = async {
            if !gate.listening().await {
                return Err(VmmError::Channel(std::io::ErrorKind::NotConnected.into()));
            }
            let mut api = Api::new(inside.connect_api().await.map_err(VmmError::Channel)?).await?;
            let first = plan.carry_out(&mut api, &inside).await?;
            Ok((api, first))
        };
        let outcome = tokio::select! {
            outcome = starting => outcome,
            how = process.ended() => Err(VmmError::Ended { how, said: String::new() }),
        };
        let (api, first) = match outcome {
            Ok(started) => started,
            Err(error) => return Err(error.explained_by(&mut process).await),
        };
        Ok(Machine {
            process,
            console,
            first: Some(first),
            control: Control::Firecracker(Running { api, gate, inside }),
            facts: MachineFacts {
                vmm: VmmKind::Firecracker,
                execution_mode: ExecutionMode::GuestVsock,
                confinement: in_force.describe(true),
                warning: in_force.warning(),
            },
            _gate: None,
            _cgroup: cgroup,
        })
    }
}

impl Running {
    /// A new byte stream to the agent.
    ///
    /// # Errors
    /// [`VmmError`] if Firecracker or the guest does not take it.
    pub(super) async fn dial(&self) -> Result<UnixStream, VmmError> {
        self.inside.dial().await.map_err(VmmError::Channel)
    }

    /// Firecracker's version, such as `1.12.1`.
    pub(super) async fn version(&mut self) -> Option<String> {
        let answer = self.api.get("/version").await.ok()?;
        let version = answer.get("firecracker_version").and_then(Value::as_str)?;
        Some(version.to_owned())
    }

    /// Pauses the guest, writes its memory to the file that it was started with, and the state of its devices to
    /// `devices`.
    ///
    /// # Errors
    /// [`VmmError`] if Firecracker is gone or refuses.
    pub(super) async fn save(&mut self, devices: OwnedFd) -> Result<(), VmmError> {
        self.gate.offer(Offer {
            path: requests::DEVICES,
            file: devices,
        });
        self.api.patch("/vm", &requests::pause()).await?;
        self.api.put("/snapshot/create", &requests::save()).await
    }
}

/// What Firecracker is asked for.
enum Plan {
    Boot(Vec<(&'static str, Value)>),
    Restore { devices: OwnedFd },
}

impl Plan {
    /// What is to be done, and the offers that it takes.
    fn of(mut spec: MachineSpec) -> Result<(Self, Vec<Offer>), VmmError> {
        let mut offers = vec![kvm_device()?];
        let mut offer = |path, file| offers.push(Offer { path, file });
        let plan = match std::mem::take(&mut spec.origin) {
            Origin::Boot => Self::Boot(requests::boot(&spec, false)),
            Origin::BootToSave { memory } => {
                offer(requests::MEMORY, memory);
                Self::Boot(requests::boot(&spec, true))
            }
            Origin::Restore(SavedMachine { memory, devices }) => {
                offer(requests::MEMORY, memory);
                Self::Restore { devices }
            }
        };
        if matches!(plan, Self::Boot(_)) {
            offer(requests::KERNEL, open_part(&spec.kernel)?);
            offer(requests::INITRAMFS, open_part(&spec.initramfs)?);
        }
        for (path, disk) in requests::DISKS.into_iter().zip(spec.disks) {
            offer(path, disk.image);
        }
        Ok((plan, offers))
    }

    async fn carry_out(self, api: &mut Api, inside: &Inside) -> Result<FirstStream, VmmError> {
        // Before there is a guest that could dial.
        let first = inside.listen_for_agent().map_err(VmmError::Channel)?;
        match self {
            Self::Boot(requests) => {
                for (path, body) in &requests {
                    api.put(path, body).await?;
                }
            }
            Self::Restore { devices } => {
                // Firecracker asks the path itself for the size, so there must be a file.
                let put = inside.put_copy(requests::DEVICES, devices);
                put.map_err(VmmError::Channel)?;
                api.put("/snapshot/load", &requests::restore()).await?;
            }
        }
        Ok(FirstStream::Comes(first))
    }
}

fn launch(program: &Path, vm_id: VmId, console: OwnedFd, messages: OwnedFd) -> std::io::Result<Launch> {
    let id = format!("pyro-{vm_id}");
    let arguments = ["--id", &id, "--level", "Warning", "--api-sock", inside::API];
    let arguments = arguments.map(str::to_owned).to_vec();
    Launch::new(&jail::path_inside(program), arguments, console, messages)
}
