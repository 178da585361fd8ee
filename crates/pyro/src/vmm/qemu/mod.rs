//! QEMU (<https://www.qemu.org/docs/master/system/>), with or without KVM.
//!
//! The machine has a serial console, two kinds of virtio device (disks, one serial port) and nothing else. Everything
//! reaches QEMU as open descriptors: it opens no path of the user's.

mod arguments;
mod qmp;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::net::UnixStream;

use self::arguments::Parts;
pub(super) use self::qmp::Qmp;
use super::confine::{self, Confinement};
use super::{Control, Machine, MachineFacts, MachineSpec, VmmError};
use crate::isolation::Isolation;
use crate::object::{ExecutionMode, VmmKind};
use crate::process::{self, OwnedChild, Ring};

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
    pub(crate) async fn boot(&self, spec: MachineSpec) -> Result<Machine, VmmError> {
        let kernel = open(&spec.kernel)?;
        let initramfs = open(&spec.initramfs)?;
        let (console, console_end) = pair()?;
        let (messages, messages_end) = pair()?;
        let (channel, channel_end) = pair()?;
        let (monitor, monitor_end) = pair()?;

        let parts = Parts {
            kernel: confine::number(&kernel),
            initramfs: confine::number(&initramfs),
            console: confine::number(&console_end),
            channel: confine::number(&channel_end),
            monitor: confine::number(&monitor_end),
            disks: spec
                .disks
                .iter()
                .map(|disk| (confine::number(&disk.image), disk.access))
                .collect(),
        };
        let mut command = Command::new(&self.program);
        command
            .args(arguments::arguments(&spec, &parts))
            .env_clear()
            .current_dir("/");
        command.stdin(Stdio::null());
        let duplicate = messages_end.try_clone().map_err(VmmError::Channel)?;
        command
            .stdout(Stdio::from(duplicate))
            .stderr(Stdio::from(messages_end));

        let mut inherited = vec![kernel, initramfs, console_end, channel_end, monitor_end];
        inherited.extend(spec.disks.into_iter().map(|disk| disk.image));
        let device = (spec.isolation == Isolation::Hardware).then_some("/dev/kvm");
        let layers = confine::apply(
            &mut command,
            Confinement {
                inherited,
                vm_id: spec.vm_id,
                device,
            },
        )
        .map_err(VmmError::Channel)?;

        let failed = |source| VmmError::Spawn {
            program: self.program.clone(),
            source,
        };
        let child = process::spawn(command).await.map_err(failed)?;
        let child = OwnedChild::own(child, messages).map_err(failed)?;
        let in_force = layers.read();
        Ok(Machine {
            process: child,
            console: Ring::read(console),
            channel: Some(channel),
            control: Control::Qemu(Qmp::new(monitor)),
            facts: MachineFacts {
                vmm: VmmKind::Qemu,
                execution_mode: ExecutionMode::GuestSerial,
                confinement: in_force.describe(true),
                warning: in_force.warning(),
            },
        })
    }
}

fn open(path: &Path) -> Result<OwnedFd, VmmError> {
    let file = std::fs::File::open(path).map_err(|source| VmmError::Part {
        path: path.to_owned(),
        source,
    })?;
    Ok(file.into())
}

/// A connected pair: the host's end for tokio, and the VMM's end.
fn pair() -> Result<(UnixStream, OwnedFd), VmmError> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(VmmError::Channel)?;
    ours.set_nonblocking(true).map_err(VmmError::Channel)?;
    Ok((
        UnixStream::from_std(ours).map_err(VmmError::Channel)?,
        theirs.into(),
    ))
}
