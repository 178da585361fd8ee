//! What must be this machine's own: name, identity, time and randomness.

use std::cell::{OnceCell, RefCell};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use pyro_proto::file::WorkspaceTree;
use pyro_proto::handshake::NONCE_BYTES;
use pyro_proto::message::{Configure, Fault, FaultKind};
use rustix::fs::OFlags;
use rustix::time::{ClockId, Timespec};

use crate::agent::Agent;
use crate::call::fault;
use crate::exec::user::{User, UserSpec};
use crate::files::{self, Owner};
use crate::host::configure;
use crate::log;
use crate::setup::workspace::{self, Mounted};
use crate::setup::{Machine, Place};
use crate::sys;

/// Written anew for each boot and restore; never on the machine's disk.
const RUNTIME_ID: &str = "/run/machine-id";
const MACHINE_ID: &str = "/etc/machine-id";

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What one configuration opened and the next one need not look up again.
///
/// A machine is saved after a configuration that nobody keeps, and configured once more when it is restored.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    random: OnceCell<File>,
    /// In its place over [`MACHINE_ID`]; only until a command may have changed what is where.
    machine_id: RefCell<Option<File>>,
}

impl Opened {
    /// Lets go of what a command may find in its way, or change.
    pub(crate) fn release(&self) {
        self.machine_id.take();
    }

    fn add_entropy(&self, seed: &[u8]) -> io::Result<()> {
        let random = match self.random.get() {
            Some(random) => random,
            None => {
                let random = File::options().write(true).open("/dev/urandom")?;
                self.random.get_or_init(|| random)
            }
        };
        sys::add_entropy(random.as_fd(), seed)
    }

    async fn write_machine_id(&self, id: &str, machine: &Machine) -> io::Result<()> {
        let line = format!("{id}\n");
        if let Some(file) = self.machine_id.take() {
            // All ids are of one length, so nothing is left of the last one.
            return file.write_all_at(line.as_bytes(), 0);
        }
        let file = machine.workload.run(move |_| place_machine_id(&line)).await?;
        self.machine_id.replace(Some(file?));
        Ok(())
    }
}

/// Applies everything that is given; an empty field is left as it is.
///
/// # Errors
/// [`FaultKind::InvalidArgument`] for a malformed value, [`FaultKind::Internal`] for a failure.
pub(crate) async fn apply(configure: Configure, agent: &Agent) -> Result<(), Fault> {
    let Configure {
        hostname,
        machine_id,
        realtime_ns,
        entropy,
        nonce,
        workspace,
    } = configure;
    let machine = agent.machine()?;
    if !machine_id.is_empty() && !is_machine_id(&machine_id) {
        return Err(fault(
            FaultKind::InvalidArgument,
            "a machine id is 32 lowercase hexadecimal digits",
        ));
    }
    if !nonce.is_empty() && nonce.len() != NONCE_BYTES {
        return Err(fault(
            FaultKind::InvalidArgument,
            format!("a nonce has {NONCE_BYTES} bytes"),
        ));
    }
    let seed = match &machine.place {
        Place::Guest { seed } => seed.as_deref(),
        Place::Host(directory) => {
            // Name, identity, time and randomness are the host's.
            if let Some(workspace) = workspace {
                configure::set_up_workspace(directory, &workspace, agent).await?;
            }
            if !nonce.is_empty() {
                *agent.nonce.borrow_mut() = nonce;
            }
            return Ok(());
        }
    };
    if !entropy.is_empty() {
        let seeded = agent.opened.add_entropy(&entropy);
        seeded.map_err(|error| failed("seed the random generator", &error))?;
    }
    if realtime_ns != 0 {
        set_clock(realtime_ns).map_err(|error| failed("set the clock", &error))?;
    }
    if !hostname.is_empty() {
        rustix::system::sethostname(hostname.as_bytes()).map_err(|error| {
            fault(
                FaultKind::InvalidArgument,
                format!("cannot set the host name: {error}"),
            )
        })?;
    }
    if !machine_id.is_empty() {
        let written = agent.opened.write_machine_id(&machine_id, machine).await;
        written.map_err(|error| failed("write the machine id", &error))?;
    }
    if let Some(workspace) = workspace {
        set_up_workspace(&workspace, agent, machine, seed).await?;
    }
    if !nonce.is_empty() {
        *agent.nonce.borrow_mut() = nonce;
    }
    Ok(())
}

/// Gives the machine its tree, once.
async fn set_up_workspace(
    wanted: &WorkspaceTree,
    agent: &Agent,
    machine: &Machine,
    seed: Option<&Path>,
) -> Result<(), Fault> {
    let owner = owner(wanted.user.parse()?, machine).await?;
    if agent.tree.borrow().is_some() {
        // The host did not hear that it is done.
        return Ok(());
    }
    if wanted.seeded && seed.is_none() {
        return Err(fault(FaultKind::Internal, "the machine has no disk with a seed"));
    }
    // Nothing waits in between, so that a call which is broken off leaves no half of it.
    let mounted = workspace::mount(seed, wanted.seeded, owner);
    let Mounted { tree, mount } = mounted.map_err(|error| fault(FaultKind::Internal, error.to_string()))?;
    let recovered = files::recover(&tree);
    let left = recovered.map_err(|error| failed("recover the workspace's tree", &error))?;
    if !left.is_empty() {
        drop(tokio::task::spawn_blocking(move || left.remove()));
    }
    tokio::task::spawn_local(async {
        if let Err(error) = workspace::write_back_early().await {
            log::error(&error.to_string());
        }
    });
    agent.tree.replace(Some(Arc::new(tree)));
    let shown = machine.workload.run(move |_| workspace::show(&mount)).await;
    shown
        .and_then(|shown| shown)
        .map_err(|error| failed("mount the workspace", &error))
}

/// To whom what is written to the tree belongs. Who runs commands by default is root, in every image.
async fn owner(spec: UserSpec, machine: &Machine) -> Result<Owner, Fault> {
    if spec == UserSpec::default() {
        return Ok(Owner { uid: 0, gid: 0 });
    }
    let found = machine.workload.run(move |_| User::find(&spec)).await;
    let User { uid, gid, .. } = found.map_err(|error| failed("find the user", &error))??;
    Ok(Owner { uid, gid })
}

/// Makes the refusal of what could not be done.
pub(crate) fn failed(what: &str, error: &io::Error) -> Fault {
    fault(FaultKind::Internal, format!("cannot {what}: {error}"))
}

fn is_machine_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn set_clock(realtime_ns: u64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: i64::try_from(realtime_ns / NANOS_PER_SECOND).map_err(io::Error::other)?,
        tv_nsec: i64::try_from(realtime_ns % NANOS_PER_SECOND).map_err(io::Error::other)?,
    };
    rustix::time::clock_settime(ClockId::Realtime, time).map_err(Into::into)
}

/// Puts the id over `/etc/machine-id` by a mount, as machine-id(5) describes for images without one; gives its file.
fn place_machine_id(line: &str) -> io::Result<File> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o444)
        .custom_flags(no_follow)
        .open(RUNTIME_ID)?;
    file.write_all(line.as_bytes())?;
    if !Path::new(MACHINE_ID).exists() {
        fs::create_dir_all("/etc")?;
        File::create(MACHINE_ID)?;
    }
    let (ours, seen) = (file.metadata()?, fs::metadata(MACHINE_ID)?);
    if (ours.dev(), ours.ino()) == (seen.dev(), seen.ino()) {
        return Ok(file);
    }
    rustix::mount::mount_bind(RUNTIME_ID, MACHINE_ID)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_has_32_lowercase_hexadecimal_digits() {
        assert!(is_machine_id("0123456789abcdef0123456789abcdef"));
        assert!(!is_machine_id("0123456789ABCDEF0123456789abcdef"));
        assert!(!is_machine_id("0123"));
    }
}
