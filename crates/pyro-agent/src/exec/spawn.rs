//! Starts the process of a command. Everything here runs on the workload's thread, in the workload's root.

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::pipe::PipeFlags;
use rustix::process::{Resource, Rlimit, Signal, WaitId, WaitIdOptions};

use super::environment::Environment;
use super::executable::Executable;
use super::plan::{Plan, Program};
use super::sys;
use super::user::{User, UserSpec};
use crate::call::fault;
use crate::host::processes::Nest;
use crate::workload::Outside;

const SHELL: &str = "/bin/sh";

/// What a command may open without asking for more.
const DESCRIPTORS: u64 = 1024;

/// The statuses by which shells tell that a program was not executed.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// A started process.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its id in the workload's pid namespace.
    pub(crate) pid: u32,
    /// A descriptor of it; nobody else may wait for it.
    pub(crate) process: OwnedFd,
    /// Where its standard input is written to, if any was asked for.
    pub(crate) stdin: Option<OwnedFd>,
    /// Where its standard output is read from.
    pub(crate) stdout: OwnedFd,
    /// Where its standard error is read from.
    pub(crate) stderr: OwnedFd,
}

/// Why no process was started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// The request cannot be served.
    Refused(Fault),
    /// The program cannot be executed.
    NotStarted {
        /// 126 or 127, as a shell would give it.
        status: i32,
        /// Why.
        message: String,
    },
}

impl From<Fault> for SpawnError {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// Where the process is born, and as whom.
#[derive(Debug)]
pub(crate) enum Birth {
    /// In a cgroup of a guest, named by its directory, as any user of the image.
    Guest(OwnedFd),
    /// On the host, as the agent's own user.
    Host(Nest),
}

/// Starts the process.
///
/// Everything that can be refused is checked before, so that a failure cannot leave a process behind.
pub(crate) fn spawn(plan: Plan, birth: &Birth, outside: &Outside) -> Result<Spawned, SpawnError> {
    let user = birth.user(&plan.user)?;
    let argv = argv(plan.program)?;
    let user_ids = birth.user_ids(&user);
    let cwd = birth.cwd(plan.cwd);
    let cwd = open_cwd(&cwd, plan.create_cwd, user_ids.as_ref())?;
    let mut environment = plan.environment;
    environment.complete(&user);
    birth.complete(&mut environment, &user)?;
    let program = argv.first().cloned().unwrap_or_default();
    let executable = Executable::new(argv, environment.into_entries().collect());
    let image = Image {
        executable: executable.map_err(|error| internal(&error.into()))?,
        cwd,
        user: user_ids,
    };
    let (child, parent) = Pipes::open(plan.has_stdin).map_err(|error| internal(&error))?;
    let told = Told::default();
    let process = sys::start(birth.cgroup(), &|| be_command(&image, &child, &told, outside))
        .map_err(|error| internal(&error))?;
    drop(child);
    match told.outcome() {
        Ok(pid) => {
            birth.note(pid);
            Ok(Spawned {
                pid,
                process,
                stdin: parent.stdin,
                stdout: parent.stdout,
                stderr: parent.stderr,
            })
        }
        Err(error) => {
            // It ends by itself; its status says nothing more.
            let waited = rustix::process::waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
            waited.map_err(|error| internal(&error.into()))?;
            Err(not_started(&program.to_string_lossy(), &error))
        }
    }
}

impl Birth {
    fn user(&self, spec: &UserSpec) -> Result<User, Fault> {
        match self {
            Self::Guest(_) => User::find(spec),
            Self::Host(nest) => nest.directory.user(spec),
        }
    }

    /// What the process is to become, if that is not what the agent is.
    fn user_ids(&self, user: &User) -> Option<UserIds> {
        match self {
            Self::Guest(_) => Some(UserIds {
                uid: Uid::from_raw(user.uid),
                gid: Gid::from_raw(user.gid),
                groups: user.groups.iter().copied().map(Gid::from_raw).collect(),
            }),
            Self::Host(_) => None,
        }
    }

    fn cwd(&self, asked_for: Option<PathBuf>) -> PathBuf {
        match self {
            Self::Guest(_) => asked_for.unwrap_or_else(|| "/".into()),
            Self::Host(nest) => nest.directory.place(asked_for),
        }
    }

    fn complete(&self, environment: &mut Environment, user: &User) -> Result<(), Fault> {
        match self {
            Self::Guest(_) => Ok(()),
            Self::Host(nest) => nest.complete(environment, user),
        }
    }

    fn cgroup(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Guest(cgroup) => Some(cgroup.as_fd()),
            Self::Host(_) => None,
        }
    }

    fn note(&self, pid: u32) {
        match self {
            Self::Guest(_) => {}
            Self::Host(nest) => nest.note(pid),
        }
    }
}

/// The ends of the pipes that the new process gets.
struct ChildEnds {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// The ends that the agent keeps.
struct Pipes {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// What a new process tells in the memory that it shares with the agent until its program's first instruction.
#[derive(Debug, Default)]
struct Told {
    /// Its id in the workload's pid namespace.
    pid: Cell<u32>,
    /// Why it did not come so far: an error number, which is never 0.
    error: Cell<i32>,
}

impl Told {
    /// Its id, or why it executes nothing.
    fn outcome(&self) -> io::Result<u32> {
        match (self.pid.get(), self.error.get()) {
            (0, 0) => Err(io::Error::other("the new process said nothing")),
            (pid, 0) => Ok(pid),
            (_, error) => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Pipes {
    fn open(has_stdin: bool) -> io::Result<(ChildEnds, Self)> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
        let (stdin, stdin_writer) = if has_stdin { Some(pipe()?) } else { None }.unzip();
        let (stdout, stdout_writer) = pipe()?;
        let (stderr, stderr_writer) = pipe()?;
        let child = ChildEnds {
            stdin,
            stdout: stdout_writer,
            stderr: stderr_writer,
        };
        let kept = Self {
            stdin: stdin_writer,
            stdout,
            stderr,
        };
        Ok((child, kept))
    }
}

fn internal(error: &io::Error) -> Fault {
    fault(FaultKind::Internal, format!("cannot start a process: {error}"))
}

fn not_started(program: &str, error: &io::Error) -> SpawnError {
    let message = format!("{program}: {error}");
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => SpawnError::NotStarted {
            status: NOT_FOUND,
            message,
        },
        ErrorKind::OutOfMemory | ErrorKind::WouldBlock => fault(FaultKind::Internal, message).into(),
        _ => SpawnError::NotStarted {
            status: NOT_EXECUTABLE,
            message,
        },
    }
}

fn argv(program: Program) -> Result<Vec<OsString>, Fault> {
    match program {
        Program::Argv(argv) => Ok(argv),
        Program::Shell { string, .. } if is_executable(Path::new(SHELL)) => {
            Ok(vec![SHELL.into(), "-lc".into(), string])
        }
        Program::Shell { fallback, .. } if !fallback.is_empty() => Ok(fallback),
        Program::Shell { .. } => Err(fault(FaultKind::ShellMissing, "the image has no /bin/sh")),
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Opens the working directory, and makes it for `user` if that is asked for.
fn open_cwd(path: &Path, create: bool, user: Option<&UserIds>) -> Result<OwnedFd, Fault> {
    let refuse = |why: &dyn std::fmt::Display| {
        fault(
            FaultKind::InvalidArgument,
            format!("the working directory {}: {why}", path.display()),
        )
    };
    if create && !path.exists() {
        fs::create_dir_all(path).map_err(|error| refuse(&error))?;
        if let Some(UserIds { uid, gid, .. }) = user {
            rustix::fs::chown(path, Some(*uid), Some(*gid)).map_err(|error| refuse(&error))?;
        }
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => refuse(&"it does not exist"),
        ErrorKind::NotADirectory => refuse(&"it is not a directory"),
        _ => refuse(&error),
    })
}

/// What the new process becomes.
struct Image {
    executable: Executable,
    cwd: OwnedFd,
    user: Option<UserIds>,
}

/// Whom a process of a guest belongs to.
struct UserIds {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

/// What the new process does. Only system calls, on values that exist already.
fn be_command(image: &Image, ends: &ChildEnds, told: &Told, outside: &Outside) -> ! {
    let Err(error) = become_command(image, ends, told, outside);
    told.error.set(error.raw_os_error().unwrap_or(libc::EIO));
    crate::sys::exit_now(NOT_FOUND)
}

fn become_command(image: &Image, ends: &ChildEnds, told: &Told, outside: &Outside) -> io::Result<Infallible> {
    // Only the process itself can ask for its id in its own pid namespace without a file of `/proc`.
    let pid = rustix::process::setsid()?.as_raw_nonzero().get();
    told.pid.set(pid.unsigned_abs());
    match &ends.stdin {
        Some(stdin) => rustix::stdio::dup2_stdin(stdin)?,
        None => rustix::stdio::dup2_stdin(&outside.null)?,
    }
    rustix::stdio::dup2_stdout(&ends.stdout)?;
    rustix::stdio::dup2_stderr(&ends.stderr)?;
    rustix::process::fchdir(&image.cwd)?;
    match &image.user {
        Some(user) => leave_agent(user, outside)?,
        // It must not outlive an agent that is killed.
        None => rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?,
    }
    sys::end_by_broken_pipe();
    image.executable.execute()
}

/// Gives up what the agent has in a guest and its commands have not.
fn leave_agent(user: &UserIds, outside: &Outside) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let score = rustix::fs::openat(&outside.proc, c"self/oom_score_adj", flags, Mode::empty())?;
    rustix::io::write(&score, b"0")?;
    let limit = Rlimit {
        current: Some(DESCRIPTORS),
        maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, limit)?;
    rustix::thread::set_thread_groups(&user.groups)?;
    rustix::thread::set_thread_res_gid(user.gid, user.gid, user.gid)?;
    rustix::thread::set_thread_res_uid(user.uid, user.uid, user.uid).map_err(Into::into)
}
