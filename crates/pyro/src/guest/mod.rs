//! The conversation with the agent in a guest. It does not know which VMM carries its bytes.

mod call;
mod connection;
pub(crate) mod files;
mod plain;

use bytes::Bytes;
use pyro_proto::message::{Attach, Configure, Exec, Fault, FaultKind, Signal, Verb, host_message::Body};

pub(crate) use self::call::{CallReceiver, CallSender, over_socket};
pub(crate) use self::connection::{
    Caller, Connection, Greeted, Repeat, ask_once, printable, wait_until_idle,
};
pub(crate) use self::plain::{Ender, SoleCall};
use crate::error::{Diagnosis, ErrorCode};

/// A conversation that cannot go on, or a request that the agent refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestError {
    /// The byte stream ended or failed.
    #[error("the connection to the guest's agent broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The guest sent what no agent would send.
    #[error("the guest does not speak the protocol: {problem}")]
    Nonsense {
        /// What is wrong with it.
        problem: String,
    },
    /// The answer belongs to another boot.
    #[error("another guest answered")]
    Impostor,
    /// Host and agent have no protocol version in common.
    #[error("the guest's agent {agent_version} speaks another protocol version")]
    Version {
        /// The agent's version.
        agent_version: String,
    },
    /// The agent runs, and the guest cannot serve.
    #[error("the guest could not set itself up: {problem}")]
    Setup {
        /// What failed.
        problem: String,
    },
    /// The agent refused a request.
    #[error("{}", .0.message)]
    Refused(Fault),
}

impl GuestError {
    /// Whether a new byte stream may help.
    pub(crate) fn is_broken_stream(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

impl Diagnosis for GuestError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Broken(_) | Self::Nonsense { .. } | Self::Impostor => ErrorCode::GuestLost,
            Self::Version { .. } => ErrorCode::VersionMismatch,
            Self::Setup { .. } => ErrorCode::BootFailed,
            Self::Refused(fault) => match FaultKind::try_from(fault.kind) {
                Ok(FaultKind::InvalidArgument) => ErrorCode::InvalidArgument,
                Ok(FaultKind::ShellMissing) => ErrorCode::ShellMissing,
                Ok(FaultKind::UnknownCommand) => ErrorCode::GuestLost,
                Ok(FaultKind::Unsupported) => ErrorCode::VersionMismatch,
                Ok(FaultKind::Unconfigured) => ErrorCode::BootFailed,
                Ok(FaultKind::PathNotFound) => ErrorCode::PathNotFound,
                Ok(FaultKind::PathRefused) => ErrorCode::PathRefused,
                Ok(FaultKind::WrongFileType) => ErrorCode::WrongFileType,
                Ok(FaultKind::Conflict) => ErrorCode::Busy,
                Ok(FaultKind::NoSpace) => ErrorCode::InsufficientResources,
                Ok(FaultKind::DiskFailed) => ErrorCode::HostIo,
                Ok(FaultKind::Internal) | Err(_) => ErrorCode::Internal,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self.code() {
            ErrorCode::PathNotFound => Some("see `pyro workspace file list` for what is there".into()),
            ErrorCode::PathRefused => Some("use `pyro workspace exec` for paths outside /workspace".into()),
            ErrorCode::WrongFileType => Some("see `pyro workspace file list` for what it is".into()),
            ErrorCode::Busy => {
                Some("somebody else changed it meanwhile; try again, nothing was changed".into())
            }
            ErrorCode::InsufficientResources => Some(
                "delete what is not needed in the workspace, or make one with a larger `--disk-gib`".into(),
            ),
            ErrorCode::InvalidArgument => Some(
                "name a user and a directory that are there (`cat /etc/passwd; ls /` shows them), and no user without a VM"
                    .into(),
            ),
            ErrorCode::ShellMissing => Some(
                "run one program with plain or quoted words alone, or choose an environment with a shell"
                    .into(),
            ),
            ErrorCode::VersionMismatch => {
                Some("reinstall pyro, so that program and agent are of one version".into())
            }
            ErrorCode::BootFailed => Some("see `pyro doctor --environment` for the image".into()),
            ErrorCode::HostIo => Some(
                "the host refused what the guest wrote: free space where PYRO_HOME is, then stop and start the workspace"
                    .into(),
            ),
            ErrorCode::GuestLost => {
                Some("try again: a workspace keeps its disk, and the next operation starts it".into())
            }
            _ => Some("report it, with what `pyro doctor` says".into()),
        }
    }
}

impl Caller {
    /// Gives the guest what must be its own.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused or the connection broke.
    pub(crate) async fn configure(&self, configure: Configure) -> Result<(), GuestError> {
        self.request(Verb::Configure, Some(Body::Configure(configure)))
            .await
    }

    /// Starts a command and returns the two directions of its call.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn exec(&self, exec: Exec) -> Result<(CallSender, CallReceiver), GuestError> {
        self.open_with(Verb::Exec, Body::Exec(exec)).await
    }

    /// Finds a command again and returns the two directions of its call.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn attach(&self, attach: Attach) -> Result<(CallSender, CallReceiver), GuestError> {
        self.open_with(Verb::Exec, Body::Attach(attach)).await
    }

    /// Has the guest end everything, write its disk and end its machine.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused or the connection broke.
    pub(crate) async fn power_off(&self) -> Result<(), GuestError> {
        self.request(Verb::PowerOff, None).await
    }

    /// Signals or ends a command.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused or the connection broke.
    pub(crate) async fn signal(&self, signal: Signal) -> Result<(), GuestError> {
        self.request(Verb::Signal, Some(Body::Signal(signal))).await
    }
}

/// A request id: unique within a machine's life.
pub(crate) fn request_id() -> String {
    crate::random::hex::<16>()
}

/// What makes a booted or restored guest different from every other; `nonce` is its own from then on.
pub(crate) fn configuration(vm_id: crate::VmId, nonce: &[u8]) -> Configure {
    let mut entropy = [0; 64];
    crate::random::fill(&mut entropy);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Configure {
        hostname: format!("pyro-{vm_id}"),
        machine_id: crate::random::hex::<16>(),
        realtime_ns: seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0),
        entropy: Bytes::copy_from_slice(&entropy),
        nonce: Bytes::copy_from_slice(nonce),
        workspace: None,
    }
}
