//! Commands without a VM: the agent as a process of this host.

use std::path::Path;

use pyro_proto::message::Exec;

use super::{Clock, StartedVm};
use crate::Pyro;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::id::VmId;
use crate::runtime::Runtime;
use crate::vm::Tenant;

/// Where commands without a VM have their files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostPlace<'a> {
    /// A private directory, by its absolute path; what is in it is the agent's.
    pub(crate) dir: &'a Path,
    /// The directory that has the beginning of the tree, as `tree`; without it the tree begins empty.
    pub(crate) seed: Option<&'a Path>,
}

/// What is not part of this build.
#[derive(Debug, thiserror::Error)]
#[error("running without a VM is not part of this build")]
pub(crate) struct NoHostYet;

impl Diagnosis for NoHostYet {
    fn code(&self) -> ErrorCode {
        ErrorCode::Unsupported
    }
}

/// Starts the agent on this host, for a command if there is one, as [`super::Starter::start`] does in a VM.
///
/// # Errors
/// Whatever kept the agent from answering; nothing is left running.
pub(crate) async fn start_on_host(
    _pyro: &Pyro,
    _runtime: &Runtime,
    _vm_id: VmId,
    _place: HostPlace<'_>,
    _exec: Option<&Exec>,
    _tenant: Option<&Tenant>,
    _clock: &mut Clock,
) -> Result<StartedVm> {
    Err(NoHostYet.into())
}
