//! The drivers, as one.

use std::path::PathBuf;

use super::firecracker::Firecracker;
use super::host::{self, HostSpec};
use super::qemu::Qemu;
use super::{Machine, MachineSpec, VmmError};
use crate::isolation::VmmBinary;
use crate::object::VmmKind;

/// Starts machines with one VMM.
#[derive(Debug, Clone)]
pub(crate) struct Driver {
    kind: VmmKind,
    program: PathBuf,
}

impl Driver {
    /// The driver of this VMM.
    pub(crate) fn of(vmm: &VmmBinary) -> Self {
        Self {
            kind: vmm.kind,
            program: vmm.path.clone(),
        }
    }

    /// Starts the agent on this host, where no VMM is to be had. Returns as soon as it runs; it answers later.
    ///
    /// # Errors
    /// [`VmmError`] if it cannot be started. Nothing is left running.
    pub(crate) async fn start_on_host(spec: HostSpec) -> Result<Machine, VmmError> {
        host::start(spec).await
    }

    /// Starts a machine. Returns as soon as its VMM runs; the agent answers later.
    ///
    /// # Errors
    /// [`VmmError`] if a part cannot be opened or the VMM not be started. Nothing is left running.
    pub(crate) async fn start(&self, spec: MachineSpec) -> Result<Machine, VmmError> {
        let program = self.program.clone();
        match self.kind {
            VmmKind::Firecracker => Firecracker::new(program).start(spec).await,
            VmmKind::Qemu => Qemu::new(program).start(spec).await,
            // No program is of this kind, so nothing asks for it.
            VmmKind::None => Err(VmmError::Spawn {
                program,
                source: std::io::ErrorKind::Unsupported.into(),
            }),
        }
    }
}
