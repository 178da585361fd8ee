//! Who is killed.

use rustix::process::{Pid, Signal, kill_process};

use super::Random;
use crate::process::Watched;
use crate::tier::Tier;
use crate::workspace::Workspaces;

/// One of the processes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Client,
    Supervisor,
    Vmm,
    /// All of them at once.
    Everybody,
}

impl Victim {
    pub(super) fn any(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::Client,
            1 => Self::Supervisor,
            2 => Self::Vmm,
            _ => Self::Everybody,
        }
    }

    /// Whether the client is one of them.
    pub(super) fn has_client(self) -> bool {
        matches!(self, Self::Client | Self::Everybody)
    }

    /// Kills the one of a workspace, if it has one.
    pub(super) fn kill(self, home: &Workspaces, id: &str) {
        let Some((supervisor, vm)) = home.try_processes(id) else {
            return;
        };
        if matches!(self, Self::Supervisor | Self::Everybody) {
            kill(i32::try_from(supervisor).expect("it fits a pid"));
        }
        if matches!(self, Self::Vmm | Self::Everybody) {
            vm.iter().take(1).for_each(|vmm| kill(vmm.pid()));
        }
    }

    /// Kills those among the descendants of a client that makes a workspace, if they are there yet.
    pub(super) fn kill_among(self, descendants: &[Watched]) {
        let is_victim = |process: &&Watched| match self {
            Self::Client => false,
            Self::Supervisor => process.is_program("pyro"),
            Self::Vmm => process.is_program(Tier::wanted().program()),
            Self::Everybody => process.is_program("pyro") || process.is_program(Tier::wanted().program()),
        };
        descendants
            .iter()
            .filter(is_victim)
            .for_each(|found| kill(found.pid()));
    }
}

fn kill(pid: i32) {
    let pid = Pid::from_raw(pid).expect("no process has the id 0");
    let _gone_already = kill_process(pid, Signal::KILL);
}
