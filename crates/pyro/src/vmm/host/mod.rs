//! This host itself, where no VM is to be had: the agent as a process of the caller, isolated by nothing.
//!
//! The agent's standard input is a socket, over which it is sent one end of a stream for each conversation. The end of
//! that socket is the agent's own: it then kills what it started, and everything that comes of that, and ends.

mod user;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open};
use tokio::net::UnixStream;

use super::{Control, FirstStream, Machine, MachineFacts, VmmError, pair, passing};
use crate::id::VmId;
use crate::object::{ExecutionMode, VmmKind};
use crate::process::sys;
use crate::process::{self, Launch, OwnedChild, Ring};

/// How long the agent may take to end, with everything that it started; then it is killed.
pub(super) const END_BOUND: Duration = Duration::from_secs(10);

/// The variable that tells the agent its nonce.
const NONCE: &str = "PYRO_AGENT_NONCE";

/// What goes along with one end of a conversation, as a message cannot be empty.
const CONVERSATION: &[u8] = &[0];

/// What commands on this host have.
#[derive(Debug)]
pub(crate) struct HostSpec {
    /// Names it in messages.
    pub(crate) vm_id: VmId,
    /// The agent's program.
    pub(crate) agent: PathBuf,
    /// The private directory in which it keeps everything, by its absolute path.
    pub(crate) dir: PathBuf,
    /// The directory with the beginning of the tree.
    pub(crate) seed: Option<PathBuf>,
    /// Passed on to the agent, which proves with it that it was started for this.
    pub(crate) boot_nonce: String,
}

/// An agent that runs. Dropping it tells the agent to end, and waits for that.
#[derive(Debug)]
pub(super) struct Running {
    control: OwnedFd,
    // Readable once the agent has ended (pidfd_open(2)).
    process: OwnedFd,
}

/// Starts the agent. Returns as soon as it runs; it answers later.
///
/// # Errors
/// [`VmmError`] if it cannot be started. Nothing is left running.
pub(super) async fn start(spec: HostSpec) -> Result<Machine, VmmError> {
    let (control, control_end) = control_pair().map_err(VmmError::Channel)?;
    let (messages, messages_end) = pair()?;
    // There is no console: its stream ends at once.
    let (console, _) = pair()?;
    let first = converse(&control)?;
    let spawn_error = |source| VmmError::Spawn {
        program: spec.agent.clone(),
        source,
    };
    let launch = launch(&spec, control_end, messages_end).map_err(spawn_error)?;
    let owner = rustix::process::getpid();
    let start = move || Ok(launch.start(None, || bind_to(owner))?.process);
    let process = process::spawn_by(start).await.map_err(spawn_error)?;
    let process = OwnedChild::own(process, messages).map_err(spawn_error)?;
    let ended = pidfd_open(process.pid(), PidfdFlags::empty());
    let running = Running {
        control,
        process: ended.map_err(|error| spawn_error(error.into()))?,
    };
    Ok(Machine {
        control: Control::Host(running),
        process,
        console: Ring::read(console),
        first: Some(FirstStream::Made(first)),
        facts: MachineFacts {
            vmm: VmmKind::None,
            execution_mode: ExecutionMode::HostCompat,
            confinement: "none".to_owned(),
            warning: Some(format!(
                "nothing isolates it: no VM can run here, so it ran on this host as `{}`",
                user::name()
            )),
        },
        _gate: None,
        _cgroup: None,
    })
}

/// Why there is no saving of an agent on this host.
pub(super) fn not_saved() -> VmmError {
    VmmError::Refused {
        request: "save",
        answer: "there is no VM".to_owned(),
    }
}

impl Running {
    /// A new byte stream to the agent, in place of the one before.
    ///
    /// # Errors
    /// [`VmmError`] if the agent is gone or takes none.
    pub(super) fn dial(&self) -> Result<UnixStream, VmmError> {
        converse(&self.control)
    }

    /// Tells the agent to end, with everything that it started.
    pub(super) fn let_go(&self) {
        // Fails only if the agent is gone.
        let _gone = rustix::net::shutdown(&self.control, Shutdown::Both);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.let_go();
        let bound = Timespec {
            tv_sec: END_BOUND.as_secs().cast_signed(),
            tv_nsec: 0,
        };
        let mut ends = [PollFd::new(&self.process, PollFlags::IN)];
        // Whatever this says, the process is killed next if it still runs.
        let _ended = rustix::io::retry_on_intr(|| poll(&mut ends, Some(&bound)));
    }
}

/// Both ends of the control socket. To send on the host's never blocks.
fn control_pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// Sends the agent one end of a stream, and returns the other.
fn converse(control: &OwnedFd) -> Result<UnixStream, VmmError> {
    let (ours, theirs) = pair()?;
    passing::send(control, CONVERSATION, &[theirs.as_fd()]).map_err(VmmError::Channel)?;
    Ok(ours)
}

fn launch(spec: &HostSpec, control: OwnedFd, messages: OwnedFd) -> std::io::Result<Launch> {
    let output = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let paths = [Some(&spec.dir), spec.seed.as_ref()].into_iter().flatten();
    let words = std::iter::once(b"host".as_slice()).chain(paths.map(|path| bytes(path)));
    Launch::new(&spec.agent, words.collect(), output, messages)?
        .with_input(control)?
        .with_variable(NONCE, &spec.boot_nonce)
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// What the child does to itself: it dies with its owner, and has nothing open but its standard streams. Makes system
/// calls only.
fn bind_to(owner: Pid) -> std::io::Result<()> {
    sys::close_all_on_exec()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The owner may have ended before the signal was set.
    match getppid() == Some(owner) {
        true => Ok(()),
        false => Err(rustix::io::Errno::SRCH.into()),
    }
}
