//! What a server lets its clients use: whatever has a VM, and what has none only if it was started so.
//!
//! A workspace that somebody else made without a VM is on the same list as all others, and to use it would be to run on the
//! host without leave.

use pyro::{Diagnosis, ErrorCode, Pyro, Result, Vm, VmId, Workspace, WorkspaceRef};

use crate::options::ServerOptions;

/// A workspace or VM whose commands nothing isolates.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no VM: its commands run on the host itself, which this server does not allow")]
struct OnHost(String);

impl Diagnosis for OnHost {
    fn code(&self) -> ErrorCode {
        ErrorCode::IsolationUnavailable
    }

    fn hint(&self) -> Option<String> {
        Some(
            "make another one; only the user can allow it, who starts the server with `--allow-host-compat`"
                .to_owned(),
        )
    }
}

/// A workspace that clients may use.
///
/// # Errors
/// `workspace-not-found`; `isolation-unavailable` if it has no VM, and that is not allowed.
pub(crate) fn workspace(pyro: &Pyro, reference: &WorkspaceRef, options: &ServerOptions) -> Result<Workspace> {
    let workspace = pyro.workspace(reference)?;
    check(workspace.is_on_host(), options, || reference.to_string())?;
    Ok(workspace)
}

/// A one-shot VM that clients may use.
///
/// # Errors
/// `vm-not-found`; `isolation-unavailable` if it has no VM, and that is not allowed.
pub(crate) fn vm(pyro: &Pyro, id: &VmId, options: &ServerOptions) -> Result<Vm> {
    let vm = pyro.vm(id)?;
    check(vm.is_on_host(), options, || id.to_string())?;
    Ok(vm)
}

fn check(is_on_host: Result<bool>, options: &ServerOptions, shown: impl FnOnce() -> String) -> Result<()> {
    // One whose record cannot be read runs nowhere, and may have to be deleted.
    match options.allow_host_compat || !is_on_host.unwrap_or(false) {
        true => Ok(()),
        false => Err(OnHost(shown()).into()),
    }
}
