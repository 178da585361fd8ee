//! Limits on what a VMM uses of the host, by a cgroup (v2) of its own where the host delegates them.
//!
//! Its directory is named by the VM and locked by whoever owns the VM, for as long as it lives: the kernel gives the lock
//! up with the process, however that ends. So what is not locked was left behind, and the next one removes it.

mod limits;
mod mounts;
mod place;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

pub(crate) use self::limits::{Controller, Limits, disks_in_memory};
pub(crate) use self::place::NoPlace;
use self::place::Place;
use crate::id::VmId;
use crate::process::sys;

/// The cgroups are nobody else's business: who can open a directory can lock it.
const PRIVATE: Mode = Mode::RWXU;

/// How often a directory is made again that was taken for a leftover before it was locked.
const ATTEMPTS: usize = 16;

/// How long the removal waits for the kernel to let go of processes that are dead.
const EMPTY_WITHIN: Duration = Duration::from_secs(1);

/// The cgroup of one VMM. Drop it once the VMM is gone: that removes it, and ends what the VMM may have left in it.
#[derive(Debug)]
pub(crate) struct VmmCgroup {
    path: PathBuf,
    // Locked for as long as it is open.
    directory: OwnedFd,
    limited: Vec<Controller>,
}

/// A VMM gets no cgroup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CgroupError {
    /// The host delegates none.
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    /// The group is not this user's.
    #[error("the cgroup `{}` belongs to another user", group.display())]
    Foreign {
        /// The group of all VMMs.
        group: PathBuf,
    },
    /// There is one of that name, and it is in use.
    #[error("the cgroup `{}` is in use", path.display())]
    InUse {
        /// Its directory.
        path: PathBuf,
    },
    /// The kernel refuses something.
    #[error("the cgroup `{}` cannot be set up", path.display())]
    Refused {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// None of the controllers takes a limit.
    #[error("the cgroup `{}` takes no limits", path.display())]
    Unlimited {
        /// Its directory.
        path: PathBuf,
    },
    /// A process cannot be made in it.
    #[error("no process can be started in a cgroup")]
    NoEntry(#[source] std::io::Error),
}

/// What this host offers.
#[derive(Debug)]
pub(crate) struct Offer {
    /// What is limited.
    pub(crate) limited: Vec<Controller>,
    /// How to have the rest limited, too.
    pub(crate) fix: String,
}

impl VmmCgroup {
    /// Makes the cgroup of a VM, with its limits, and removes what others left behind.
    ///
    /// # Errors
    /// [`CgroupError`] where the host does not let it have limits; nothing is left then.
    pub(crate) fn create(vm_id: VmId, limits: &Limits) -> Result<Self, CgroupError> {
        let place = Place::find()?;
        sweep(&place.group());
        Self::create_in(&place, vm_id, limits)
    }

    fn create_in(place: &Place, vm_id: VmId, limits: &Limits) -> Result<Self, CgroupError> {
        let controllers = place.controllers()?;
        let group = place.group();
        open_group(&group, &controllers)?;
        let path = group.join(vm_id.as_str());
        for _ in 0..ATTEMPTS {
            match Self::make(&group, &path, limits) {
                // Another pyro has removed the directory before it was locked.
                Err(CgroupError::Refused { source, .. }) if is_gone(&source) => {}
                made => return made,
            }
        }
        Err(CgroupError::InUse { path })
    }

    fn make(group: &Path, path: &Path, limits: &Limits) -> Result<Self, CgroupError> {
        let refused = |source: Errno| CgroupError::Refused {
            path: path.to_owned(),
            source: source.into(),
        };
        match rustix::fs::mkdir(path, PRIVATE) {
            Err(Errno::EXIST) => {
                return Err(CgroupError::InUse {
                    path: path.to_owned(),
                });
            }
            made => made.map_err(refused)?,
        }
        let directory = open_directory(path).map_err(|error| {
            // With nobody to own it, it must not stay; it may be gone already.
            let _gone_already = rustix::fs::rmdir(path);
            refused(error)
        })?;
        // Only a sweep can have it, for a moment.
        rustix::io::retry_on_intr(|| rustix::fs::flock(&directory, FlockOperation::LockExclusive))
            .map_err(refused)?;
        // From here on, every way out removes it.
        let mut cgroup = Self {
            path: path.to_owned(),
            directory,
            limited: Vec::new(),
        };
        for controller in enabled_in(group) {
            let (file, limit) = limits.of(controller);
            match cgroup.write(file, &limit) {
                Ok(()) => cgroup.limited.push(controller),
                Err(source) if is_gone(&source) && !cgroup.exists() => {
                    return Err(CgroupError::Refused {
                        path: path.to_owned(),
                        source,
                    });
                }
                Err(error) => tracing::debug!(%error, file, "no limit"),
            }
            for (file, content) in limits.besides(controller) {
                if let Err(error) = cgroup.write(file, &content) {
                    tracing::debug!(%error, file, "no limit");
                }
            }
        }
        match cgroup.limited.is_empty() {
            true => Err(CgroupError::Unlimited {
                path: path.to_owned(),
            }),
            false => Ok(cgroup),
        }
    }

    /// Its directory, open: for a process to be started in it.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The layer's name; what is limited, if that is not all.
    pub(crate) fn describe(&self) -> String {
        describe(&self.limited)
    }

    /// Whether its directory is there, under whatever name.
    fn exists(&self) -> bool {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.directory, "cgroup.procs", flags, Mode::empty()).is_ok()
    }

    fn open(&self, file: &str, flags: OFlags) -> std::io::Result<File> {
        let flags = flags | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, file, flags, Mode::empty())?;
        Ok(File::from(file))
    }

    fn write(&self, file: &str, content: &str) -> std::io::Result<()> {
        self.open(file, OFlags::WRONLY)?.write_all(content.as_bytes())
    }

    /// Ends whatever is left in it, and waits until that is gone.
    fn clear(&self) -> std::io::Result<()> {
        let events = self.open("cgroup.events", OFlags::RDONLY)?;
        // Linux 5.14 or later; before, there is only the VMM, whose end was waited for.
        let _absent = self.write("cgroup.kill", "1");
        let deadline = Instant::now() + EMPTY_WITHIN;
        loop {
            let mut text = [0; 128];
            let length = events.read_at(&mut text, 0)?;
            let mut lines = text[..length].split(|byte| *byte == b'\n');
            if lines.any(|line| line == b"populated 0") {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or_default();
            // The file tells of a change since it was read last.
            let mut change = [PollFd::new(&events, PollFlags::PRI)];
            if rustix::io::retry_on_intr(|| rustix::event::poll(&mut change, Some(&left)))? == 0 {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl Drop for VmmCgroup {
    fn drop(&mut self) {
        let mut removed = rustix::fs::rmdir(&self.path);
        if removed == Err(Errno::BUSY) {
            let cleared = self.clear();
            tracing::debug!(?cleared, path = %self.path.display(), "the cgroup was not empty");
            removed = rustix::fs::rmdir(&self.path);
        }
        if let Err(error) = removed {
            // The next sweep finds it.
            tracing::debug!(%error, path = %self.path.display(), "the cgroup is left behind");
        }
    }
}

/// Tries what is done for every VMM, with a process that ends at once. Removes nothing but its own.
///
/// # Errors
/// [`CgroupError`], as for a VMM.
pub(crate) fn try_out() -> Result<Offer, CgroupError> {
    let limits = Limits::new(
        crate::Resources::default(),
        crate::isolation::Isolation::Emulated,
        0,
    );
    let place = Place::find()?;
    let cgroup = VmmCgroup::create_in(&place, VmId::random(), &limits)?;
    let mut process = sys::fork_into(cgroup.directory(), || ())
        .map(crate::process::Running::new)
        .map_err(CgroupError::NoEntry)?;
    process.wait();
    Ok(Offer {
        limited: cgroup.limited.clone(),
        fix: place.fix(),
    })
}

/// The directories that pyros left which were killed, in the order of names.
pub(crate) fn leftovers() -> Vec<PathBuf> {
    let Ok(place) = Place::find() else {
        return Vec::new();
    };
    let mut found: Vec<_> = unowned(&place.group()).map(|(path, _)| path).collect();
    found.sort();
    found
}

/// Removes what was left behind, and says what is gone. What still has processes, which are about to die, stays.
pub(crate) fn remove_leftovers() -> Vec<PathBuf> {
    let mut removed = Place::find().map_or_else(|_| Vec::new(), |place| sweep(&place.group()));
    removed.sort();
    removed
}

fn sweep(group: &Path) -> Vec<PathBuf> {
    // The lock is held meanwhile, so that whoever has just made the directory sees that it is gone.
    let remove = |(path, _lock): &(PathBuf, OwnedFd)| match rustix::fs::rmdir(path) {
        // Nobody owns what is in there; the next sweep finds it empty.
        Err(Errno::BUSY) => {
            let _absent = std::fs::write(path.join("cgroup.kill"), "1");
            false
        }
        removed => removed.is_ok(),
    };
    unowned(group).filter(remove).map(|(path, _)| path).collect()
}

/// The cgroups of VMs that no process owns, and locks on them.
fn unowned(group: &Path) -> impl Iterator<Item = (PathBuf, OwnedFd)> + use<> {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| place::is_of_vm(&entry.file_name()))
        .filter_map(|entry| {
            let directory = open_directory(&entry.path()).ok()?;
            let locked = rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive);
            locked.ok().map(|()| (entry.path(), directory))
        })
}

/// Makes the group of all VMMs if there is none, and hands the controllers down to the cgroups in it.
fn open_group(group: &Path, controllers: &[Controller]) -> Result<(), CgroupError> {
    let refused = |source: std::io::Error| CgroupError::Refused {
        path: group.to_owned(),
        source,
    };
    match rustix::fs::mkdir(group, PRIVATE) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(refused(error.into())),
    }
    let metadata = std::fs::symlink_metadata(group).map_err(refused)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(CgroupError::Foreign {
            group: group.to_owned(),
        });
    }
    let enabled = enabled_in(group);
    for controller in controllers
        .iter()
        .filter(|controller| !enabled.contains(controller))
    {
        let written = std::fs::write(group.join(ENABLED), format!("+{controller}"));
        if let Err(error) = written {
            tracing::debug!(%error, %controller, "a controller cannot be enabled");
        }
    }
    Ok(())
}

/// The file that lists the controllers that a cgroup hands down.
const ENABLED: &str = "cgroup.subtree_control";

fn enabled_in(group: &Path) -> Vec<Controller> {
    let text = std::fs::read_to_string(group.join(ENABLED));
    text.map_or_else(|_| Vec::new(), |text| Controller::listed(&text))
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

/// Whether an error says that a cgroup was removed meanwhile.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

fn describe(limited: &[Controller]) -> String {
    let mut name = "cgroup-limits".to_owned();
    if limited != Controller::ALL {
        let names: Vec<_> = limited.iter().map(|controller| controller.name()).collect();
        let _infallible = write!(name, "({})", names.join("+"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_in_part_names_its_parts() {
        assert_eq!(describe(&Controller::ALL), "cgroup-limits");
        let some = [Controller::Memory, Controller::Pids];
        assert_eq!(describe(&some), "cgroup-limits(memory+pids)");
    }

    #[test]
    fn what_is_locked_or_no_vms_is_nobodys_leftover() {
        let base = tempfile::tempdir().unwrap();
        let [left, owned, other] = ["0123456789ab", "abcdefabcdef", "x"].map(|name| base.path().join(name));
        for dir in [&left, &owned, &other] {
            std::fs::create_dir(dir).unwrap();
        }
        let lock = open_directory(&owned).unwrap();
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        assert_eq!(sweep(base.path()), [left]);
        assert!(owned.exists() && other.exists());
        // A child that another test has just forked may have a copy of the descriptor, so it is not enough to close it.
        rustix::fs::flock(&lock, FlockOperation::Unlock).unwrap();
        assert_eq!(sweep(base.path()), [owned]);
        assert_eq!(sweep(&base.path().join("absent")), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn a_directory_that_was_swept_before_it_was_locked_is_noticed() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("0123456789ab");
        std::fs::create_dir(&path).unwrap();
        let cgroup = VmmCgroup {
            directory: open_directory(&path).unwrap(),
            path: path.clone(),
            limited: Vec::new(),
        };
        assert_eq!(sweep(base.path()), [path]);
        let error = cgroup.write("pids.max", "1").unwrap_err();
        assert!(is_gone(&error) && !cgroup.exists());
    }
}
