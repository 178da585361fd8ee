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
}

impl Victim {
    pub(super) fn any(random: &mut Random) -> Self {
        match random.below(3) {
            0 => Self::Client,
            1 => Self::Supervisor,
            _ => Self::Vmm,
        }
    }

    /// Kills the one of a workspace, if it has one.
    pub(super) fn kill(self, home: &Workspaces, id: &str) {
        let Some((supervisor, vm)) = home.try_processes(id) else {
            return;
        };
        match self {
            Self::Client => {}
            Self::Supervisor => kill(i32::try_from(supervisor).expect("it fits a pid")),
            Self::Vmm => vm.iter().take(1).for_each(|vmm| kill(vmm.pid())),
        }
    }

    /// Kills the one among the descendants of a client that makes a workspace, if it is there yet.
    pub(super) fn kill_among(self, descendants: &[Watched]) {
        let found = descendants.iter().find(|process| match self {
            Self::Client => false,
            Self::Supervisor => process.is_program("pyro"),
            Self::Vmm => process.is_program(Tier::wanted().program()),
        });
        if let Some(found) = found {
            kill(found.pid());
        }
    }
}

fn kill(pid: i32) {
    let pid = Pid::from_raw(pid).expect("no process has the id 0");
    let _gone_already = kill_process(pid, Signal::KILL);
}
