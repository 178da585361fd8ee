//! The VMM boundary: a driver boots a machine from parts and hands over a byte stream to its agent.
//!
//! A driver knows neither workspaces nor environments, and nothing above this module knows which driver it uses. Parts
//! come as open files, so that a machine needs no place of its own on disk and its VMM no leave to open anything.

pub(crate) mod cgroup;
mod confine;
mod driver;
mod firecracker;
mod gate;
mod host;
mod jail;
mod kernel;
mod passing;
mod qemu;
mod report;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

pub(crate) use self::driver::Driver;
use self::gate::Offer;
pub(crate) use self::host::HostSpec;

use crate::error::{Diagnosis, ErrorCode};
use crate::id::VmId;
use crate::isolation::{DEVICE, Isolation};
use crate::object::{ExecutionMode, VmmKind};
use crate::process::{OwnedChild, Ring};
use crate::resources::Resources;

/// How long to wait for the word that a VMM ended, once its streams have.
const END_BOUND: Duration = Duration::from_secs(2);

/// What a machine is made of.
#[derive(Debug)]
pub(crate) struct MachineSpec {
    /// Names the machine in messages and picks the user that its VMM runs as.
    pub(crate) vm_id: VmId,
    /// Its size.
    pub(crate) resources: Resources,
    /// Whether its CPUs are emulated.
    pub(crate) isolation: Isolation,
    /// The uncompressed kernel.
    pub(crate) kernel: PathBuf,
    /// The initramfs with the agent.
    pub(crate) initramfs: PathBuf,
    /// Passed on to the agent, which proves with it that it belongs to this boot.
    pub(crate) boot_nonce: String,
    /// Its disks, in the order in which the guest sees them.
    pub(crate) disks: Vec<Disk>,
    /// Where it begins.
    pub(crate) origin: Origin,
}

/// How a machine comes to life.
#[derive(Debug, Default)]
pub(crate) enum Origin {
    /// Its kernel is started.
    #[default]
    Boot,
    /// Its kernel is started, with the guest's memory in this file: such a machine can be saved.
    BootToSave {
        /// An empty file, open for reading and writing.
        memory: OwnedFd,
    },
    /// It goes on from where another machine of the same make was saved.
    Restore(SavedMachine),
}

/// What a machine was when it was saved, besides its disks. No machine that is restored from it changes it.
#[derive(Debug)]
pub(crate) struct SavedMachine {
    /// The guest's memory, open for reading.
    pub(crate) memory: OwnedFd,
    /// The state of its devices, open for reading.
    pub(crate) devices: OwnedFd,
}

/// A disk: an open raw image.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The image, open for what `access` says.
    pub(crate) image: OwnedFd,
    /// What the guest may do with it.
    pub(crate) access: DiskAccess,
}

/// What a guest may do with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskAccess {
    /// Read it.
    ReadOnly,
    /// Read and write it; nothing of it is needed once the machine is gone, so nothing is ever synced.
    Scratch,
    /// Read and write it; it outlives the machine, and what the guest flushes is synced.
    Kept,
}

/// A machine whose VMM was started.
///
/// Dropping it kills the VMM and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Machine {
    // Dropped before the process, which may end in good order by that.
    control: Control,
    process: OwnedChild,
    console: Ring,
    first: Option<FirstStream>,
    facts: MachineFacts,
    // Lives as long as the VMM may open something.
    _gate: Option<gate::Gate>,
    // Dropped after the VMM's process, which is then gone.
    _cgroup: Option<cgroup::VmmCgroup>,
}

/// The first byte stream to the agent, or where it comes from.
#[derive(Debug)]
pub(crate) enum FirstStream {
    /// It was made with the machine.
    Made(UnixStream),
    /// The agent opens it.
    Comes(UnixListener),
}

/// What stays true of a machine for as long as it runs.
#[derive(Debug, Clone)]
pub(crate) struct MachineFacts {
    /// The VMM's kind.
    pub(crate) vmm: VmmKind,
    /// What carries the byte stream to the agent.
    pub(crate) execution_mode: ExecutionMode,
    /// What keeps the VMM itself from the host; named layers that are in force.
    pub(crate) confinement: String,
    /// What the user should know of that.
    pub(crate) warning: Option<String>,
}

/// The driver's own connection to its VMM.
#[derive(Debug)]
enum Control {
    Firecracker(firecracker::Running),
    Host(host::Running),
    Qemu(qemu::Qmp),
}

/// A machine that could not be started, or not be spoken to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmmError {
    /// A part of the machine that cannot be opened.
    #[error("`{}` cannot be opened", path.display())]
    Part {
        /// The part.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The VMM's program could not be started.
    #[error("`{}` cannot be started", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A descriptor between host and VMM could not be made.
    #[error("the channel to the VMM cannot be made")]
    Channel(#[source] std::io::Error),
    /// The VMM ended before its guest ran.
    #[error("the VMM {how} before it ran a guest{}", colon(said))]
    Ended {
        /// How it ended.
        how: String,
        /// What it said last.
        said: String,
    },
    /// The VMM refused a request.
    #[error("the VMM refused `{request}`: {answer}")]
    Refused {
        /// The request.
        request: &'static str,
        /// What it said.
        answer: String,
    },
}

impl Diagnosis for VmmError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Part { .. } | Self::Spawn { .. } => ErrorCode::RuntimeDamaged,
            Self::Channel(_) => ErrorCode::HostIo,
            Self::Ended { .. } => ErrorCode::BootFailed,
            Self::Refused { .. } => ErrorCode::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Part { .. } | Self::Spawn { .. } | Self::Ended { .. } => {
                Some("see `pyro doctor`".to_owned())
            }
            Self::Channel(_) => Some("check the limits on open files (`ulimit -n`)".to_owned()),
            Self::Refused { .. } => None,
        }
    }
}

impl VmmError {
    /// Says better why a VMM that has just been started does not do as it is told: if it has ended, that is why.
    async fn explained_by(self, process: &mut OwnedChild) -> Self {
        let how = match self {
            Self::Ended { how, .. } => how,
            Self::Channel(_) => match tokio::time::timeout(END_BOUND, process.ended()).await {
                Ok(how) => how,
                Err(_) => return self,
            },
            other => return other,
        };
        let said = process.stderr_tail().await;
        Self::Ended { how, said }
    }
}

fn colon(said: &str) -> String {
    match said.is_empty() {
        true => String::new(),
        false => format!(": {said}"),
    }
}

impl FirstStream {
    /// Opens it. Waits for as long as the guest takes; the caller bounds it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) async fn open(self) -> std::io::Result<UnixStream> {
        match self {
            Self::Made(stream) => Ok(stream),
            Self::Comes(listener) => listener.accept().await.map(|(stream, _)| stream),
        }
    }
}

impl Machine {
    /// The first byte stream to the agent; `None` once taken.
    pub(crate) fn take_first_stream(&mut self) -> Option<FirstStream> {
        self.first.take()
    }

    /// Makes a new byte stream to the agent; the guest sees the old one closed and this one opened.
    ///
    /// # Errors
    /// [`VmmError`] if the VMM is gone or refuses.
    pub(crate) async fn reopen_channel(&mut self) -> Result<UnixStream, VmmError> {
        match &mut self.control {
            Control::Firecracker(running) => running.dial().await,
            Control::Host(running) => running.dial(),
            Control::Qemu(qmp) => qmp.replace_channel().await,
        }
    }

    /// Waits until the VMM has ended, and says how.
    pub(crate) async fn ended(&mut self) -> String {
        self.process.ended().await
    }

    /// What the guest's console and the VMM itself said last.
    pub(crate) async fn last_words(&mut self) -> LastWords {
        LastWords {
            console: self.console.tail().await,
            vmm: self.process.stderr_tail().await,
        }
    }

    /// Pauses the machine for good and writes the state of its devices into `devices`; its memory is then complete in the
    /// file that it was started with. The machine is of no use afterwards but to be killed.
    ///
    /// # Errors
    /// [`VmmError`] if the VMM is gone or refuses.
    pub(crate) async fn save(&mut self, devices: OwnedFd) -> Result<(), VmmError> {
        match &mut self.control {
            Control::Firecracker(running) => running.save(devices).await,
            Control::Host(_) => Err(host::not_saved()),
            Control::Qemu(qmp) => qmp.save(devices).await,
        }
    }

    /// What stays true of it.
    pub(crate) fn facts(&self) -> &MachineFacts {
        &self.facts
    }

    /// The VMM's version, once it has told.
    pub(crate) async fn vmm_version(&mut self) -> Option<String> {
        match &mut self.control {
            Control::Firecracker(running) => running.version().await,
            Control::Host(_) => None,
            Control::Qemu(qmp) => qmp.version().await,
        }
    }

    /// The memory that the VMM uses now, in bytes, as far as the kernel tells.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        match &self.control {
            // Its commands have memory of their own, which is not the agent's.
            Control::Host(_) => None,
            Control::Firecracker(_) | Control::Qemu(_) => self.process.resident_bytes(),
        }
    }

    /// Kills the VMM and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        if let Control::Host(running) = &self.control {
            running.let_go();
            let _still_there = tokio::time::timeout(host::END_BOUND, self.process.ended()).await;
        }
        self.process.kill().await;
    }
}

/// What a machine said last, for people.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastWords {
    /// The end of the guest's console.
    pub(crate) console: String,
    /// The end of the VMM's own messages.
    pub(crate) vmm: String,
}

impl LastWords {
    /// As details of an error.
    pub(crate) fn to_details(&self) -> serde_json::Map<String, serde_json::Value> {
        let lines: BTreeMap<_, _> = [("console", &self.console), ("vmm_messages", &self.vmm)].into();
        lines
            .into_iter()
            .map(|(key, text)| (key.to_owned(), text.as_str().into()))
            .collect()
    }
}

/// The device of KVM, for a VMM that may not be allowed to open it itself.
fn kvm_device() -> Result<Offer, VmmError> {
    let device = std::fs::File::options().read(true).write(true).open(DEVICE);
    let device = device.map_err(|source| VmmError::Part {
        path: DEVICE.into(),
        source,
    })?;
    Ok(Offer {
        path: DEVICE,
        file: device.into(),
    })
}

fn open_part(path: &Path) -> Result<OwnedFd, VmmError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with an image and a disk of its own, of which nothing is ever read.
    pub(super) fn spec(isolation: Isolation) -> MachineSpec {
        let disk = |access| Disk {
            image: std::fs::File::open("/dev/null").unwrap().into(),
            access,
        };
        MachineSpec {
            vm_id: VmId::random(),
            resources: Resources::new(2, 512, 10, 4096).unwrap(),
            isolation,
            kernel: "/k".into(),
            initramfs: "/i".into(),
            boot_nonce: "00ff".to_owned(),
            disks: [DiskAccess::ReadOnly, DiskAccess::Scratch, DiskAccess::ReadOnly]
                .map(disk)
                .into(),
            origin: Origin::Boot,
        }
    }
}
