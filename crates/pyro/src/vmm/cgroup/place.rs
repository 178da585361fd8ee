//! The cgroup in which this process may make cgroups for VMMs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::limits::Controller;
use super::mounts::{cgroup2_mounts, own_cgroup};

/// The one that holds those of the VMMs.
const GROUP: &str = "pyro";

/// Limits that somebody sets on purpose. `pids.max` is not among them: systemd sets it on everything that it starts.
const DELIBERATE_LIMITS: [&str; 3] = ["memory.max", "memory.high", "cpu.max"];

/// Where the group of all VMMs is, or would be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The directory of the cgroup that holds the group.
    parent: PathBuf,
    /// The directory of the process's own cgroup.
    own: PathBuf,
}

/// Why no cgroups can be made for VMMs here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// No cgroups of version 2.
    #[error("no cgroup v2 is mounted")]
    Unmounted,
    /// It is mounted, but shows another part of the tree.
    #[error("the cgroup of this process is not among those that are mounted")]
    Unseen,
    /// An ordinary user in the topmost cgroup that is seen.
    #[error("the cgroup of this process, `{}`, has none above it", own.display())]
    Topmost {
        /// Its directory.
        own: PathBuf,
    },
    /// Nobody has delegated it.
    #[error("the cgroup `{}` is not delegated to this user", parent.display())]
    NotDelegated {
        /// Its directory.
        parent: PathBuf,
    },
    /// A VMM elsewhere would not have a limit that holds for this process.
    #[error("`{}` limits this process, and its VMs with it", file.display())]
    Limited {
        /// The limit.
        file: PathBuf,
    },
    /// The controllers belong to version 1.
    #[error("the cgroup v2 at `{}` has no controllers for cpu, memory and pids", parent.display())]
    NoControllers {
        /// The directory of the cgroup.
        parent: PathBuf,
    },
    /// Nobody has enabled them.
    #[error("the controllers for cpu, memory and pids are not enabled in `{}`", file.display())]
    NotEnabled {
        /// What lists those that are.
        file: PathBuf,
    },
}

impl NoPlace {
    /// What to do about it.
    pub(crate) fn fix(&self) -> String {
        match self {
            Self::Unmounted | Self::NoControllers { .. } => "for limits around VMMs, boot the host with cgroup v2 alone: `systemd.unified_cgroup_hierarchy=1` on its kernel's command line".to_owned(),
            Self::Unseen | Self::Topmost { .. } => "for limits around VMMs, start pyro in a cgroup below one that it may write to; see `/proc/self/cgroup`".to_owned(),
            Self::NotDelegated { .. } if rustix::process::geteuid().is_root() => "for limits around VMMs, let the container write to its cgroups; see `grep cgroup2 /proc/self/mountinfo`".to_owned(),
            Self::NotDelegated { .. } => "for limits around VMMs, start pyro where systemd delegates cgroups: `systemd-run --user --scope pyro …`".to_owned(),
            Self::Limited { file } => format!("for limits around each VMM, take that one off: `echo max >'{}'`", file.display()),
            Self::NotEnabled { file } => enable(file),
        }
    }
}

/// How to enable the controllers that a file should list.
fn enable(file: &Path) -> String {
    format!(
        "for limits around VMMs, enable the controllers: `echo +cpu +memory +pids | sudo tee '{}'`",
        file.display()
    )
}

impl Place {
    /// Finds it. As root it is the topmost cgroup, where container engines have theirs; for others it is the one that
    /// holds the process's own.
    ///
    /// # Errors
    /// [`NoPlace`] where there is none.
    pub(super) fn find() -> Result<Self, NoPlace> {
        let read = |path| std::fs::read(path).map_err(|_| NoPlace::Unmounted);
        let root = rustix::process::geteuid().is_root();
        Self::locate(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?, root)
    }

    fn locate(mountinfo: &[u8], cgroups: &[u8], root: bool) -> Result<Self, NoPlace> {
        let mounts = cgroup2_mounts(mountinfo);
        if mounts.is_empty() {
            return Err(NoPlace::Unmounted);
        }
        let cgroup = own_cgroup(cgroups).ok_or(NoPlace::Unmounted)?;
        let seen = mounts
            .iter()
            .find_map(|mount| Some((mount, mount.directory_of(&cgroup)?)));
        let (mount, own) = seen.ok_or(NoPlace::Unseen)?;
        let parent = match own.parent() {
            _ if root => mount.point.clone(),
            Some(parent) if own != mount.point => parent.to_owned(),
            Some(_) | None => return Err(NoPlace::Topmost { own }),
        };
        Ok(Self { parent, own })
    }

    /// The directory of the group.
    pub(super) fn group(&self) -> PathBuf {
        self.parent.join(GROUP)
    }

    /// The controllers that its cgroups have, of those that pyro makes use of.
    ///
    /// # Errors
    /// [`NoPlace`] if there are none, or no cgroup may be made.
    pub(super) fn controllers(&self) -> Result<Vec<Controller>, NoPlace> {
        let parent = self.parent.clone();
        // A process may be put where its own cgroup and the new one have both delegated the way (cgroups(7)).
        let writable = |path: &Path| accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
        if !writable(&parent) || !writable(&parent.join("cgroup.procs")) {
            return Err(NoPlace::NotDelegated { parent });
        }
        if let Some(file) = self.deliberate_limit() {
            return Err(NoPlace::Limited { file });
        }
        let file = self.enabled_file();
        let controllers = listed_in(&file);
        if controllers.is_empty() {
            return Err(match listed_in(&parent.join("cgroup.controllers")).is_empty() {
                true => NoPlace::NoControllers { parent },
                false => NoPlace::NotEnabled { file },
            });
        }
        Ok(controllers)
    }

    /// How to have all controllers, where some are missing.
    pub(super) fn fix(&self) -> String {
        enable(&self.enabled_file())
    }

    /// What lists the controllers that cgroups here have.
    fn enabled_file(&self) -> PathBuf {
        self.parent.join("cgroup.subtree_control")
    }

    /// A limit that holds for this process and would not for a VMM in the group.
    fn deliberate_limit(&self) -> Option<PathBuf> {
        let left = self.own.ancestors().take_while(|dir| *dir != self.parent);
        let mut files = left.flat_map(|dir| DELIBERATE_LIMITS.map(|name| dir.join(name)));
        files.find(|file| std::fs::read_to_string(file).is_ok_and(|text| !text.starts_with("max")))
    }
}

fn listed_in(file: &Path) -> Vec<Controller> {
    let text = std::fs::read_to_string(file);
    text.map_or_else(|_| Vec::new(), |text| Controller::listed(&text))
}

/// Whether a directory of the group is, by its name, one of a VM.
pub(super) fn is_of_vm(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.parse::<crate::VmId>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"35 25 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    fn parent(mounts: &[u8], cgroup: &[u8], root: bool) -> Result<PathBuf, NoPlace> {
        Place::locate(mounts, cgroup, root).map(|place| place.parent)
    }

    #[test]
    fn root_makes_them_at_the_top_and_others_beside_their_own() {
        let session = b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/run.scope\n";
        let slice = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice";
        assert_eq!(parent(MOUNTS, session, true), Ok("/sys/fs/cgroup".into()));
        assert_eq!(parent(MOUNTS, session, false), Ok(slice.into()));
        assert_eq!(parent(MOUNTS, b"0::/a\n", false), Ok("/sys/fs/cgroup".into()));
    }

    #[test]
    fn where_there_is_no_place_the_reason_is_told() {
        assert_eq!(parent(b"", b"0::/a\n", true), Err(NoPlace::Unmounted));
        assert_eq!(parent(MOUNTS, b"4:memory:/a\n", true), Err(NoPlace::Unmounted));
        assert_eq!(parent(MOUNTS, b"0::/../a\n", true), Err(NoPlace::Unseen));
        let own = PathBuf::from("/sys/fs/cgroup");
        assert_eq!(parent(MOUNTS, b"0::/\n", false), Err(NoPlace::Topmost { own }));
        let other = b"35 25 0:29 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(parent(other, b"0::/docker/2\n", true), Err(NoPlace::Unseen));
    }

    #[test]
    fn of_several_mounts_the_one_that_shows_the_process_counts() {
        let two = b"35 25 0:29 /x /a rw - cgroup2 a rw\n36 25 0:29 / /b rw - cgroup2 b rw\n";
        assert_eq!(parent(two, b"0::/y/z\n", false), Ok("/b/y".into()));
        assert_eq!(parent(two, b"0::/x/y/z\n", false), Ok("/a/y".into()));
    }

    /// A directory in place of a cgroup, with files as the kernel would show them.
    fn cgroup(dir: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(dir).unwrap();
        for (name, content) in [("cgroup.procs", "")].iter().chain(files) {
            std::fs::write(dir.join(name), content).unwrap();
        }
    }

    fn place(parent: &Path) -> Place {
        Place {
            parent: parent.to_owned(),
            own: parent.join("a/b"),
        }
    }

    #[test]
    fn the_controllers_are_those_that_are_handed_down() {
        let base = tempfile::tempdir().unwrap();
        let parent = base.path().to_owned();
        let place = place(&parent);
        let missing = NoPlace::NotDelegated {
            parent: parent.clone(),
        };
        assert_eq!(place.controllers(), Err(missing));
        cgroup(&parent, &[("cgroup.controllers", "hugetlb\n")]);
        let none = NoPlace::NoControllers {
            parent: parent.clone(),
        };
        assert_eq!(place.controllers(), Err(none));
        cgroup(&parent, &[("cgroup.controllers", "cpu memory pids\n")]);
        let file = parent.join("cgroup.subtree_control");
        assert_eq!(
            place.controllers(),
            Err(NoPlace::NotEnabled { file: file.clone() })
        );
        cgroup(&parent, &[("cgroup.subtree_control", "cpuset memory pids\n")]);
        assert_eq!(
            place.controllers(),
            Ok(vec![Controller::Memory, Controller::Pids])
        );
    }

    #[test]
    fn a_limit_on_the_process_is_not_left() {
        let base = tempfile::tempdir().unwrap();
        let parent = base.path().to_owned();
        // The group has the limits of the cgroup that holds it, so these change nothing.
        cgroup(
            &parent,
            &[("cgroup.subtree_control", "memory pids\n"), ("memory.max", "5\n")],
        );
        cgroup(
            &parent.join("a/b"),
            &[
                ("memory.max", "max\n"),
                ("cpu.max", "max 100000\n"),
                ("pids.max", "9\n"),
            ],
        );
        let place = place(&parent);
        place.controllers().unwrap();
        let file = parent.join("a/memory.high");
        cgroup(&parent.join("a"), &[("memory.high", "1000\n")]);
        assert_eq!(place.controllers(), Err(NoPlace::Limited { file }));
    }

    #[test]
    fn every_reason_comes_with_a_command_or_a_file() {
        let path = PathBuf::from("/x");
        let reasons = [
            NoPlace::Unmounted,
            NoPlace::Unseen,
            NoPlace::Topmost { own: path.clone() },
            NoPlace::NotDelegated { parent: path.clone() },
            NoPlace::Limited { file: path.clone() },
            NoPlace::NoControllers { parent: path.clone() },
            NoPlace::NotEnabled { file: path },
        ];
        for reason in reasons {
            assert!(reason.fix().contains('`'), "{reason}");
        }
    }
}
