//! From a bare kernel to a machine that can run commands.

pub(crate) mod devices;
pub(crate) mod modules;
pub(crate) mod mounts;
pub(crate) mod workspace;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit};

use crate::exec::cgroup::Cgroups;
use crate::exec::group::Groups;
use crate::files;
use crate::host::directory::Directory;
use crate::init;
use crate::log;
use crate::workload::{Root, Workload};
use devices::Uevents;

/// How long devices may take to appear.
pub(crate) const DEVICE_PATIENCE: Duration = Duration::from_secs(10);

/// What each command may raise its number of descriptors to, as on a host with systemd.
const DESCRIPTOR_LIMIT: u64 = 524_288;

/// Why the machine cannot run commands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// A step failed.
    #[error("cannot {step}: {source}")]
    Step {
        /// What was attempted.
        step: String,
        /// Why it failed.
        source: io::Error,
    },
    /// No read-only disk appeared.
    #[error("no read-only disk appeared within {} s", DEVICE_PATIENCE.as_secs())]
    NoRootDisk,
}

/// Names the step that a failure belongs to.
pub(crate) trait DuringStep<T> {
    /// Turns the error into a [`SetupError`] of this step.
    fn during(self, step: impl FnOnce() -> String) -> Result<T, SetupError>;
}

impl<T, E: Into<io::Error>> DuringStep<T> for Result<T, E> {
    fn during(self, step: impl FnOnce() -> String) -> Result<T, SetupError> {
        self.map_err(|source| SetupError::Step {
            step: step(),
            source: source.into(),
        })
    }
}

/// A machine that can run commands.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Where commands run.
    pub(crate) workload: Workload,
    /// What holds their processes together.
    pub(crate) groups: Groups,
    /// What it is, apart from that.
    pub(crate) place: Place,
}

/// A guest, or none.
#[derive(Debug)]
pub(crate) enum Place {
    /// A machine of its own.
    Guest {
        /// The disk with the seed of a workspace, untouched.
        seed: Option<PathBuf>,
    },
    /// A directory of the host.
    Host(Arc<Directory>),
}

/// Mounts what the agent itself needs and opens the kernel's device events.
///
/// # Errors
/// [`SetupError`]; without this not even the channel to the host can be found.
pub(crate) fn prepare() -> Result<Uevents, SetupError> {
    mounts::mount_for_agent()?;
    init::refuse_oom_kill().during(|| "refuse to be killed for memory".to_owned())?;
    let limit = Rlimit {
        current: Some(DESCRIPTOR_LIMIT),
        maximum: Some(DESCRIPTOR_LIMIT),
    };
    rustix::process::setrlimit(Resource::Nofile, limit).during(|| "raise the descriptor limit".to_owned())?;
    Uevents::open().during(|| "listen to device events".to_owned())
}

/// Has the kernel kill for want of memory before it throws out what was in use within the last second.
///
/// Without swap the machine would otherwise stand still for minutes, reading the same programs from disk again and
/// again. It is an improvement where the kernel has it (multi-generational LRU), and no requirement.
fn prefer_kill_to_thrashing() {
    for (file, value) in [("enabled", "y"), ("min_ttl_ms", "1000")] {
        drop(fs::write(format!("/sys/kernel/mm/lru_gen/{file}"), value));
    }
}

/// Loads drivers, joins the disks to one root and enters it.
///
/// # Errors
/// [`SetupError`], told to the host by the handshake.
pub(crate) fn set_up(uevents: &Uevents) -> Result<Machine, SetupError> {
    prefer_kill_to_thrashing();
    modules::load_all()?;
    let deadline = Instant::now() + DEVICE_PATIENCE;
    let disks = uevents
        .wait_for(deadline, devices::find_disks)
        .during(|| "find the disks".to_owned())?
        .ok_or(SetupError::NoRootDisk)?;
    mounts::join_disks(&disks)?;
    workspace::prepare(disks.seed.as_deref())?;
    // It is only help: where the kernel does not take it, there may be memory enough.
    if let Err(error) = files::relief::begin() {
        log::error(&format!("cannot look after the memory: {error}"));
    }
    let cgroups = Cgroups::open().during(|| "set up cgroups".to_owned())?;
    let workload = Workload::enter(Root::Machine)?;
    Ok(Machine {
        workload,
        groups: Groups::Guest(cgroups),
        place: Place::Guest { seed: disks.seed },
    })
}

/// The value of `name=value` on the kernel's command line.
pub(crate) fn kernel_parameter(name: &str) -> Option<String> {
    let line = fs::read_to_string("/proc/cmdline").ok()?;
    parameter_in(&line, name).map(str::to_owned)
}

fn parameter_in<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_ascii_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_parameter_is_found_by_its_whole_name() {
        let line = "quiet pyro.nonces=x pyro.nonce=00ff panic=-1\n";
        assert_eq!(parameter_in(line, "pyro.nonce"), Some("00ff"));
        assert_eq!(parameter_in(line, "nonce"), None);
        assert_eq!(parameter_in(line, "quiet"), None);
    }
}
