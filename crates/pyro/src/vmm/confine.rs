//! What keeps a VMM from the rest of the host, should a guest ever break out into it.
//!
//! Every layer that the kernel grants is put in force between fork and exec; the child reports which they were. Only
//! those that must never be missing (dying with the owner, no new privileges, closed descriptors) make the start fail.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getuid};
use rustix::thread::{Gid, Uid, UnshareFlags};
use tokio::net::UnixStream;

use super::cgroup::{Limits, VmmCgroup};
use super::gate::{self, Gate, Offer};
use super::report::{Report, Reporter};
use crate::id::VmId;
use crate::process::sys::{self, FilterInstruction};
use crate::process::{self, Launch, Launched, OwnedChild};

/// Users from here on run VMMs when pyro runs as root, one for each VM, so that none may signal or trace another.
const FIRST_VMM_UID: u32 = 2_000_000_000;

/// How a VMM is to be confined.
#[derive(Debug)]
pub(super) struct Confinement {
    /// Descriptors that the VMM gets, under their own numbers.
    pub(super) inherited: Vec<OwnedFd>,
    /// Files that it gets when it opens their paths for writing.
    pub(super) offers: Vec<Offer>,
    /// The VM, which picks the user when pyro runs as root.
    pub(super) vm_id: VmId,
    /// A device that the VMM must be able to open.
    pub(super) device: Option<&'static str>,
    /// What it may use of the host.
    pub(super) limits: Limits,
}

/// A VMM that was started, in its confinement.
#[derive(Debug)]
pub(super) struct Confined {
    /// Its process.
    pub(super) process: OwnedChild,
    /// What keeps it from the host.
    pub(super) in_force: InForce,
    /// What gives it the files that it opens by path.
    pub(super) gate: Option<Gate>,
    /// Where its limits are in force; to be dropped once its process is gone.
    pub(super) cgroup: Option<VmmCgroup>,
}

/// The layers in force around a VMM.
#[derive(Debug)]
pub(super) struct InForce {
    layers: u8,
    limits: Option<String>,
}

/// A layer that may be missing, as a bit of the report.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Layer {
    User = 1,
    Network = 2,
    Ipc = 4,
}

/// The user and group to become.
#[derive(Debug, Clone, Copy)]
struct Identity {
    id: u32,
    device_group: Option<u32>,
}

/// Starts the program, which confines itself before it becomes the VMM. What the VMM says goes to `messages`.
///
/// # Errors
/// If a layer that must never be missing is refused, or the program cannot be executed. Nothing is left running.
pub(super) async fn start(
    launch: Launch,
    confinement: Confinement,
    messages: UnixStream,
) -> std::io::Result<Confined> {
    let (report, reporter) = Report::pair()?;
    let offers = confinement.offers;
    let cgroup = match VmmCgroup::create(confinement.vm_id, &confinement.limits) {
        Ok(cgroup) => Some(cgroup),
        Err(error) => {
            tracing::debug!(%error, "the VMM has no limits");
            None
        }
    };
    let steps = Steps {
        inherited: confinement.inherited,
        identity: vmm_identity(confinement.vm_id, confinement.device),
        user_map: format!("{0} {0} 1", getuid().as_raw()),
        owner: rustix::process::getpid(),
        filter: (!offers.is_empty()).then(gate::filter),
        reporter,
    };
    let start = move || {
        let directory = cgroup.as_ref().map(VmmCgroup::directory);
        let Launched { process, in_cgroup } = launch.start(directory, || steps.take())?;
        Ok((process, cgroup.filter(|_| in_cgroup)))
    };
    let (process, cgroup) = process::spawn_by(start).await?;
    let process = OwnedChild::own(process, messages)?;
    let (layers, listener) = report.receive();
    let gate = listener.map(|listener| Gate::keep(listener, offers));
    Ok(Confined {
        process,
        in_force: InForce {
            layers,
            limits: cgroup.as_ref().map(VmmCgroup::describe),
        },
        gate: gate.transpose()?,
        cgroup,
    })
}

/// What the child does to itself between fork and exec.
struct Steps {
    inherited: Vec<OwnedFd>,
    identity: Option<Identity>,
    user_map: String,
    owner: Pid,
    filter: Option<[FilterInstruction; gate::FILTER_LENGTH]>,
    reporter: Reporter,
}

impl Steps {
    /// Makes system calls only.
    fn take(&self) -> std::io::Result<()> {
        sys::close_all_on_exec()?;
        let mut layers = leave_host(self.identity, self.user_map.as_bytes());
        if let Some(identity) = self.identity
            && become_user(identity).is_ok()
        {
            layers |= Layer::User as u8;
        }
        rustix::process::setrlimit(
            Resource::Core,
            Rlimit {
                current: Some(0),
                maximum: Some(0),
            },
        )?;
        rustix::thread::set_no_new_privs(true)?;
        // A change of user clears this, so it comes after; the owner may have ended before it was set.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(self.owner) {
            return Err(rustix::io::Errno::SRCH.into());
        }
        for descriptor in &self.inherited {
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        let listener = self.filter.as_ref().map(|filter| sys::install_filter(filter));
        self.reporter.send(layers, listener.transpose()?.as_ref())
    }
}

impl InForce {
    /// The layers, for people.
    pub(super) fn describe(&self, seccomp: bool) -> String {
        let mut names = vec!["no-new-privileges", "closed-descriptors", "no-core-dumps"];
        let optional = [
            (Layer::User, "own-user"),
            (Layer::Network, "network-namespace"),
            (Layer::Ipc, "ipc-namespace"),
        ];
        names.extend(
            optional
                .iter()
                .filter(|(layer, _)| self.layers & *layer as u8 != 0)
                .map(|(_, name)| *name),
        );
        if seccomp {
            names.push("system-call-filter");
        }
        names.extend(self.limits.as_deref());
        names.join(", ")
    }

    /// What the user of a VM should know.
    pub(super) fn warning(&self) -> Option<String> {
        let root = getuid().is_root() && self.layers & Layer::User as u8 == 0;
        root.then(|| "the VMM of this VM runs as root, which it could not give up".to_owned())
    }
}

/// As root, a VMM gives root up; a device that only root may open would then be out of its reach.
fn vmm_identity(vm_id: VmId, device: Option<&'static str>) -> Option<Identity> {
    if !getuid().is_root() {
        return None;
    }
    let device_group = match device {
        None => None,
        Some(path) => match rustix::fs::stat(path) {
            Ok(stat) if stat.st_mode & 0o006 == 0o006 => None,
            Ok(stat) if stat.st_mode & 0o060 == 0o060 => Some(stat.st_gid),
            Ok(_) | Err(_) => return None,
        },
    };
    let digits = u32::from_str_radix(&vm_id.as_str()[..6], 16).unwrap_or(0);
    Some(Identity {
        id: FIRST_VMM_UID + digits,
        device_group,
    })
}

/// Leaves the namespaces of the host that a VMM has no use for, as far as the kernel lets it.
fn leave_host(identity: Option<Identity>, user_map: &[u8]) -> u8 {
    let both = UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
    let left = if identity.is_some() || getuid().is_root() {
        sys::leave_namespaces(both)
    } else {
        // Without privileges a user namespace is what grants the others.
        sys::leave_namespaces(both | UnshareFlags::NEWUSER).and_then(|()| map_user(user_map))
    };
    if left.is_ok() {
        Layer::Network as u8 | Layer::Ipc as u8
    } else {
        0
    }
}

/// Keeps the user's own id inside the new user namespace (user_namespaces(7)).
fn map_user(user_map: &[u8]) -> rustix::io::Result<()> {
    let file = rustix::fs::open("/proc/self/uid_map", OFlags::WRONLY, Mode::empty())?;
    rustix::io::write(&file, user_map).map(drop)
}

fn become_user(identity: Identity) -> rustix::io::Result<()> {
    let group = Gid::from_raw(identity.id);
    match identity.device_group {
        Some(device_group) => rustix::thread::set_thread_groups(&[Gid::from_raw(device_group)])?,
        None => rustix::thread::set_thread_groups(&[])?,
    }
    rustix::thread::set_thread_res_gid(group, group, group)?;
    let user = Uid::from_raw(identity.id);
    rustix::thread::set_thread_res_uid(user, user, user)
}

/// The number under which a descriptor is passed on.
pub(super) fn number(descriptor: &impl AsFd) -> RawFd {
    let descriptor: BorrowedFd<'_> = descriptor.as_fd();
    descriptor.as_raw_fd()
}
