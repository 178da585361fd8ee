//! What keeps a VMM from the rest of the host, should a guest ever break out into it.
//!
//! Every layer that the kernel grants is put in force between fork and exec; the child reports which they were. Only
//! those that must never be missing (dying with the owner, no new privileges, closed descriptors, a jail where one is
//! wanted) make the start fail.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal, getgid, getppid, getuid};
use rustix::thread::{Gid, Uid, UnshareFlags};
use tokio::net::UnixStream;

use super::cgroup::{Limits, VmmCgroup};
use super::gate::{self, Gate, Held, Offer};
use super::jail::Jail;
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
    /// Files that it gets when it opens their paths, and for which of its calls that holds; without files nothing is held.
    pub(super) offers: Vec<Offer>,
    pub(super) held: Held,
    /// The VM, which picks the user when pyro runs as root.
    pub(super) vm_id: VmId,
    /// The program that it is to find in a root of its own, instead of the one that is run otherwise.
    pub(super) jailed: Option<PathBuf>,
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
    /// Its own root, if it has one.
    pub(super) root: Option<OwnedFd>,
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
    Root = 8,
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
    let identity = vmm_identity(confinement.vm_id);
    let (user, group) = identity.map_or_else(|| (getuid().as_raw(), getgid().as_raw()), |id| (id, id));
    let jail = confinement.jailed.map(|program| Jail::new(&program, user, group));
    let cgroup = match VmmCgroup::create(confinement.vm_id, &confinement.limits) {
        Ok(cgroup) => Some(cgroup),
        Err(error) => {
            tracing::debug!(%error, "the VMM has no limits");
            None
        }
    };
    let steps = Steps {
        inherited: confinement.inherited,
        identity,
        user_map: format!("{0} {0} 1", getuid().as_raw()),
        group_map: format!("{0} {0} 1", getgid().as_raw()),
        owner: rustix::process::getpid(),
        jail: jail.transpose()?,
        filter: (!offers.is_empty()).then(|| gate::filter(confinement.held)),
        reporter,
    };
    let start = move || {
        let directory = cgroup.as_ref().map(VmmCgroup::directory);
        let Launched { process, in_cgroup } = launch.start(directory, || steps.take())?;
        Ok((process, cgroup.filter(|_| in_cgroup)))
    };
    let (process, cgroup) = process::spawn_by(start).await?;
    let process = OwnedChild::own(process, messages)?;
    let (layers, [listener, root]) = report.receive();
    let gate = listener.map(|listener| Gate::keep(listener, offers, process.pid()));
    Ok(Confined {
        process,
        in_force: InForce {
            layers,
            limits: cgroup.as_ref().map(VmmCgroup::describe),
        },
        gate: gate.transpose()?,
        root,
        cgroup,
    })
}

/// What the child does to itself between fork and exec.
struct Steps {
    inherited: Vec<OwnedFd>,
    /// The user and the group to become.
    identity: Option<u32>,
    user_map: String,
    group_map: String,
    owner: Pid,
    jail: Option<Jail>,
    filter: Option<Vec<FilterInstruction>>,
    reporter: Reporter,
}

impl Steps {
    /// Makes system calls only.
    fn take(&self) -> std::io::Result<()> {
        sys::close_all_on_exec()?;
        let mut layers = match (self.leave_host(), &self.jail) {
            (Ok(()), None) => Layer::Network as u8 | Layer::Ipc as u8,
            (Ok(()), Some(_)) => Layer::Network as u8 | Layer::Ipc as u8 | Layer::Root as u8,
            (Err(_), None) => 0,
            (Err(error), Some(_)) => return Err(error.into()),
        };
        let root = self.jail.as_ref().map(Jail::enter).transpose()?;
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
        self.reporter
            .send(layers, [listener.transpose()?.as_ref(), root.as_ref()])
    }

    /// Leaves the namespaces of the host that a VMM has no use for.
    fn leave_host(&self) -> rustix::io::Result<()> {
        let mut left = UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
        if self.jail.is_some() {
            left |= UnshareFlags::NEWNS;
        }
        if getuid().is_root() {
            return sys::leave_namespaces(left);
        }
        // Without privileges a user namespace is what grants the others.
        sys::leave_namespaces(left | UnshareFlags::NEWUSER)?;
        keep_ids(self.user_map.as_bytes(), self.group_map.as_bytes())
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
            (Layer::Root, "own-root"),
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

/// As root, a VMM gives root up.
fn vmm_identity(vm_id: VmId) -> Option<u32> {
    let digits = u32::from_str_radix(&vm_id.as_str()[..6], 16).unwrap_or(0);
    getuid().is_root().then_some(FIRST_VMM_UID + digits)
}

/// Keeps the user's own ids inside the new user namespace (`user_namespaces(7)`).
fn keep_ids(user_map: &[u8], group_map: &[u8]) -> rustix::io::Result<()> {
    // Who may map a group must first give up changing groups.
    for (path, text) in [
        (c"/proc/self/uid_map", user_map),
        (c"/proc/self/setgroups", b"deny"),
        (c"/proc/self/gid_map", group_map),
    ] {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text)?;
    }
    Ok(())
}

fn become_user(identity: u32) -> rustix::io::Result<()> {
    let group = Gid::from_raw(identity);
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    let user = Uid::from_raw(identity);
    rustix::thread::set_thread_res_uid(user, user, user)
}

/// The number under which a descriptor is passed on.
pub(super) fn number(descriptor: &impl AsFd) -> RawFd {
    let descriptor: BorrowedFd<'_> = descriptor.as_fd();
    descriptor.as_raw_fd()
}
