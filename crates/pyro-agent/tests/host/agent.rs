//! An agent on this host, started as the product starts it, and gone with its test.

use std::fs::{self, File, Permissions};
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pyro_proto::file::WorkspaceTree;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::calls::{configuration, configure};
use crate::host::{self, Failure, Host};

/// How long anything may take on a host that does much besides.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A user whom no host needs to know.
const ANYBODY: u32 = 54_321;

/// Whose processes the agent and its commands are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever runs the test.
    Own,
    /// An ordinary user; only root can test as one.
    Ordinary,
}

/// A running agent with its directory.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Child,
    control: Option<OwnedFd>,
    nonce: String,
    files: TempDir,
    caller: Caller,
    has_seed: bool,
}

/// What fills the tree of a seed.
type Fill<'a> = &'a dyn Fn(&Path) -> Result<(), Failure>;

/// Those as whom agents can be tried here.
pub(crate) fn callers() -> Vec<Caller> {
    if rustix::process::geteuid().is_root() {
        vec![Caller::Own, Caller::Ordinary]
    } else {
        vec![Caller::Own]
    }
}

/// Copies the agent by another process: what a thread starts while a program is still open here to be written would have
/// it open too, and nobody could run it (`ETXTBSY`, execve(2)).
fn copy_program(to: &Path) -> Result<(), Failure> {
    let mut copy = Command::new("cp");
    let status = copy.arg(env!("CARGO_BIN_EXE_pyro-agent")).arg(to).status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| "the agent cannot be copied".into())
}

impl Agent {
    /// Starts an agent in an empty directory.
    pub(crate) fn start(caller: Caller) -> Result<Self, Failure> {
        Self::begin(caller, None)
    }

    /// Starts an agent with a seed, which `fill` fills.
    pub(crate) fn start_seeded(
        caller: Caller,
        fill: impl Fn(&Path) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        Self::begin(caller, Some(&fill))
    }

    fn begin(caller: Caller, fill: Option<Fill<'_>>) -> Result<Self, Failure> {
        let files = TempDir::with_prefix("pyro-agent-host-")?;
        // Where it was built nobody else may look.
        copy_program(&files.path().join("pyro-agent"))?;
        fs::create_dir(files.path().join("dir"))?;
        fs::set_permissions(files.path().join("dir"), Permissions::from_mode(0o700))?;
        if let Some(fill) = fill {
            let tree = files.path().join("seed/tree");
            fs::create_dir_all(&tree)?;
            fill(&tree)?;
        }
        if caller == Caller::Ordinary {
            give(files.path())?;
        }
        let nonce = new_nonce()?;
        let (process, control) = spawn(files.path(), caller, fill.is_some(), &nonce)?;
        Ok(Self {
            process,
            control: Some(control),
            nonce,
            files,
            caller,
            has_seed: fill.is_some(),
        })
    }

    /// Starts another one in the directory.
    pub(crate) fn start_again(&mut self) -> Result<(), Failure> {
        self.nonce = new_nonce()?;
        let (process, control) = spawn(self.files.path(), self.caller, self.has_seed, &self.nonce)?;
        self.process = process;
        self.control = Some(control);
        Ok(())
    }

    /// Begins a conversation.
    pub(crate) async fn connect(&self) -> Result<Host, Failure> {
        let (ours, theirs) = UnixStream::pair()?;
        let control = self.control.as_ref().ok_or("the control socket is closed")?;
        send_descriptor(control, &theirs)?;
        drop(theirs);
        ours.set_nonblocking(true)?;
        let mut stream = tokio::net::UnixStream::from_std(ours)?;
        let (hello, rest) = tokio::time::timeout(PATIENCE, host::greet(&mut stream)).await??;
        if let Some(failure) = hello.setup_failure {
            return Err(failure.into());
        }
        let nonce = u128::from_be_bytes(hello.boot_nonce[..].try_into()?);
        if format!("{nonce:032x}") != self.nonce {
            return Err("the nonce is not that which it was given".into());
        }
        Host::converse(stream, hello, rest).await
    }

    /// Begins a conversation with a workspace, as the product does.
    pub(crate) async fn connect_to_workspace(&self) -> Result<Host, Failure> {
        let host = self.connect().await?;
        let mut configuration = configuration("not-this-host", "0123456789abcdef0123456789abcdef")?;
        configuration.workspace = Some(WorkspaceTree {
            seeded: self.has_seed,
            user: String::new(),
        });
        configure(&host, configuration).await?;
        Ok(host)
    }

    /// Gives what the test has put into the directory to whose it is.
    pub(crate) fn take_over(&self) -> Result<(), Failure> {
        match self.caller {
            Caller::Own => Ok(()),
            Caller::Ordinary => give(&self.dir()),
        }
    }

    /// The private directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.files.path().join("dir")
    }

    /// The baseline.
    pub(crate) fn baseline(&self) -> PathBuf {
        self.files.path().join("seed/tree")
    }

    /// The user and group of its processes.
    pub(crate) fn ids(&self) -> (u32, u32) {
        match self.caller {
            Caller::Own => (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
            Caller::Ordinary => (ANYBODY, ANYBODY),
        }
    }

    /// Closes the control socket, as the end of the host does.
    pub(crate) fn hang_up(&mut self) {
        self.control = None;
    }

    /// Ends the process beneath it that serves, in the midst of what it does, and waits for its own end.
    pub(crate) async fn kill_server(&mut self) -> Result<(), Failure> {
        let guard = self.process.id();
        let server = fs::read_dir("/proc")?.flatten().find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
            (parent.parse() == Ok(guard)).then_some(pid)
        });
        let server = server
            .and_then(Pid::from_raw)
            .ok_or("no process beneath the agent")?;
        rustix::process::kill_process(server, Signal::KILL)?;
        match self.ended().await?.success() {
            false => Ok(()),
            true => Err("it ends well".into()),
        }
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                return Err("the agent does not end".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.control = None;
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Whether a process is there and has not ended.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with(['Z', 'X']));
    state == Some(false)
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) -> Result<(), Failure> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("it does not come to this: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn spawn(files: &Path, caller: Caller, has_seed: bool, nonce: &str) -> Result<(Child, OwnedFd), Failure> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let mut command = Command::new(files.join("pyro-agent"));
    command.arg("host").arg(files.join("dir"));
    if has_seed {
        command.arg(files.join("seed"));
    }
    command
        .env("PYRO_AGENT_NONCE", nonce)
        .env("SECRET", "of the host");
    command.stdin(theirs).stdout(Stdio::null()).current_dir("/");
    if caller == Caller::Ordinary {
        command.uid(ANYBODY).gid(ANYBODY);
    }
    Ok((command.spawn()?, ours))
}

fn send_descriptor(control: &OwnedFd, stream: &UnixStream) -> Result<(), Failure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [stream.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(control, &[IoSlice::new(b"c")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Gives everything in a directory to the ordinary user.
fn give(path: &Path) -> Result<(), Failure> {
    std::os::unix::fs::lchown(path, Some(ANYBODY), Some(ANYBODY))?;
    let meta = fs::symlink_metadata(path)?;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path())?;
        }
    } else if !meta.is_symlink() {
        // It loses set-uid by that.
        chown(path, Some(ANYBODY), Some(ANYBODY))?;
        fs::set_permissions(path, meta.permissions())?;
    }
    Ok(())
}

fn new_nonce() -> Result<String, Failure> {
    let mut random = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}
