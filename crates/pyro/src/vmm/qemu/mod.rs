//! QEMU (<https://www.qemu.org/docs/master/system/>), with or without KVM.
//!
//! The machine has a serial console, two kinds of virtio device (disks, one serial port) and nothing else. Everything
//! reaches QEMU as open descriptors: it opens no path of the user's.

mod arguments;
mod qmp;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use self::arguments::{Begin, MEMORY, Parts};
pub(super) use self::qmp::Qmp;
use super::cgroup::{self, Limits};
use super::confine::{self, Confined, Confinement};
use super::gate::{Held, Offer};
use super::{
    Control, FirstStream, Machine, MachineFacts, MachineSpec, Origin, VmmError, kvm_device, open_part, pair,
};
use crate::isolation::Isolation;
use crate::object::{ExecutionMode, VmmKind};
use crate::process::{Launch, Ring};

/// Starts machines with one QEMU binary.
#[derive(Debug, Clone)]
pub(crate) struct Qemu {
    program: PathBuf,
}

impl Qemu {
    /// Takes the path of `qemu-system-x86_64`.
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Starts a machine. Returns as soon as its VMM runs; the agent answers later.
    ///
    /// # Errors
    /// [`VmmError`] if a part cannot be opened or QEMU not be started. Nothing is left running.
    pub(crate) async fn start(&self, mut spec: MachineSpec) -> Result<Machine, VmmError> {
        let (console, console_end) = pair()?;
        let (messages, messages_end) = pair()?;
        let (channel, channel_end) = pair()?;
        let (monitor, monitor_end) = pair()?;
        let mut handed = vec![console_end, channel_end, monitor_end];
        let [console_end, channel_end, monitor_end] = [0, 1, 2].map(|index| confine::number(&handed[index]));
        let (begin, memory) = begin(std::mem::take(&mut spec.origin), &spec, &mut handed)?;
        let disks = std::mem::take(&mut spec.disks);
        let in_memory = cgroup::disks_in_memory(&disks);
        let parts = Parts {
            begin,
            has_memory_file: memory.is_some(),
            console: console_end,
            channel: channel_end,
            monitor: monitor_end,
            disks: disks
                .iter()
                .map(|disk| (confine::number(&disk.image), disk.access))
                .collect(),
        };
        handed.extend(disks.into_iter().map(|disk| disk.image));
        let mut offers = Vec::new();
        offers.extend(memory.map(|file| Offer { path: MEMORY, file }));
        if spec.isolation == Isolation::Hardware {
            offers.push(kvm_device()?);
        }
        let arguments = arguments::arguments(&spec, &parts);
        let output = messages_end.try_clone().map_err(VmmError::Channel)?;
        let spawn_error = |source| VmmError::Spawn {
            program: self.program.clone(),
            source,
        };
        let launch = Launch::new(&self.program, arguments, output, messages_end).map_err(spawn_error)?;
        let confinement = Confinement {
            inherited: handed,
            offers,
            held: Held::OpenForWriting,
            vm_id: spec.vm_id,
            jailed: None,
            limits: Limits::new(spec.resources, spec.isolation, in_memory),
        };
        let started = confine::start(launch, confinement, messages).await;
        // Bindings are dropped from the last to the first: the process goes before its cgroup.
        let Confined {
            cgroup,
            in_force,
            gate,
            root: _,
            process,
        } = started.map_err(spawn_error)?;
        let mut qmp = Qmp::new(monitor);
        if let Begin::Saved { devices } = parts.begin {
            qmp.restore(devices).await?;
        }
        Ok(Machine {
            process,
            console: Ring::read(console),
            first: Some(FirstStream::Made(channel)),
            control: Control::Qemu(qmp),
            facts: MachineFacts {
                vmm: VmmKind::Qemu,
                execution_mode: ExecutionMode::GuestSerial,
                confinement: in_force.describe(true),
                warning: in_force.warning(),
            },
            _gate: gate,
            _cgroup: cgroup,
        })
    }
}

/// What the machine begins with, and the file of its memory if it has one; adds to the descriptors that QEMU gets.
fn begin(
    origin: Origin,
    spec: &MachineSpec,
    handed: &mut Vec<OwnedFd>,
) -> Result<(Begin, Option<OwnedFd>), VmmError> {
    let mut hand = |part: OwnedFd| {
        let number = confine::number(&part);
        handed.push(part);
        number
    };
    let memory = match origin {
        Origin::Boot => None,
        Origin::BootToSave { memory } => Some(memory),
        Origin::Restore(saved) => {
            let devices = hand(saved.devices);
            return Ok((Begin::Saved { devices }, Some(saved.memory)));
        }
    };
    let kernel = hand(open_part(&spec.kernel)?);
    let initramfs = hand(open_part(&spec.initramfs)?);
    Ok((Begin::Kernel { kernel, initramfs }, memory))
}
