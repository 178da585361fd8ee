//! The processes of a command: in a guest a cgroup, on the host what `/proc` tells.

use std::io;

use super::cgroup::{Cgroup, Cgroups};
use super::spawn::Birth;
use crate::host::processes::{Family, Members};

/// Where the processes of commands come from.
#[derive(Debug)]
pub(crate) enum Groups {
    /// A guest.
    Guest(Cgroups),
    /// The host.
    Host(Family),
}

impl Groups {
    /// Gives one for the command of this request, with no process in it.
    pub(crate) fn take(&self, id: &str) -> io::Result<Group> {
        match self {
            Self::Guest(cgroups) => cgroups.take().map(Group::Guest),
            Self::Host(family) => Ok(Group::Host(family.members(id))),
        }
    }

    /// Takes one back of whose processes none is left, or none was ever there.
    pub(crate) fn take_back(&self, group: Group) {
        match (self, group) {
            (Self::Guest(cgroups), Group::Guest(cgroup)) => cgroups.take_back(cgroup),
            (_, group) => group.remove(),
        }
    }

    /// Makes one ahead of need, where that helps. Call it when nobody waits.
    pub(crate) fn keep_spare(&self) {
        match self {
            Self::Guest(cgroups) => cgroups.keep_spare(),
            Self::Host(_) => {}
        }
    }

    /// Sends a signal to every process of every command.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        match self {
            Self::Guest(cgroups) => cgroups.all().signal(signal),
            Self::Host(family) => family.signal(signal),
        }
    }

    /// Kills every process of every command.
    pub(crate) async fn kill(&self) -> io::Result<()> {
        match self {
            Self::Guest(cgroups) => cgroups.all().kill(),
            Self::Host(family) => family.kill().await,
        }
    }

    /// Waits until no process of any command is left.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        match self {
            Self::Guest(cgroups) => cgroups.all().emptied().await,
            Self::Host(family) => family.emptied().await,
        }
    }
}

/// All processes of one command.
#[derive(Debug)]
pub(crate) enum Group {
    /// Those of a cgroup.
    Guest(Cgroup),
    /// Those found on the host.
    Host(Members),
}

impl Group {
    /// Where the first process is to be born.
    pub(crate) fn birth(&self) -> io::Result<Birth> {
        match self {
            Self::Guest(cgroup) => cgroup.entrance().map(Birth::Guest),
            Self::Host(members) => Ok(Birth::Host(members.nest())),
        }
    }

    /// The number of processes.
    pub(crate) fn population(&self) -> usize {
        match self {
            Self::Guest(cgroup) => cgroup.population(),
            Self::Host(members) => members.population(),
        }
    }

    /// Sends a signal to every process.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        match self {
            Self::Guest(cgroup) => cgroup.signal(signal),
            Self::Host(members) => members.signal(signal),
        }
    }

    /// Kills every process, and whatever they are forking.
    pub(crate) async fn kill(&self) -> io::Result<()> {
        match self {
            Self::Guest(cgroup) => cgroup.kill(),
            Self::Host(members) => members.kill().await,
        }
    }

    /// Waits until no process is left.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        match self {
            Self::Guest(cgroup) => cgroup.emptied().await,
            Self::Host(members) => members.emptied().await,
        }
    }

    /// Whether the kernel is known to have killed one of them for want of memory.
    pub(crate) fn has_oom_kill(&self) -> bool {
        match self {
            Self::Guest(cgroup) => cgroup.has_oom_kill(),
            Self::Host(_) => false,
        }
    }

    /// Forgets them.
    fn remove(&self) {
        match self {
            Self::Guest(cgroup) => cgroup.remove(),
            Self::Host(members) => members.forget(),
        }
    }
}
