//! The drivers, as one.

use std::path::PathBuf;

use super::firecracker::Firecracker;
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
