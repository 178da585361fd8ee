//! Starts the process of a command. Everything here runs on the workload's thread, in the workload's root.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit};

use super::plan::{Plan, Program};
use super::user::User;
use crate::call::fault;
use crate::sys;
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

/// Starts the process, in the cgroup behind `entrance`.
///
/// Everything that can be refused is checked before, so that a failure cannot leave a process behind.
pub(crate) fn spawn(plan: Plan, entrance: OwnedFd, outside: &Outside) -> Result<Spawned, SpawnError> {
    let user = User::find(&plan.user)?;
    let argv = argv(plan.program)?;
    let cwd = open_cwd(&plan.cwd, plan.create_cwd, &user)?;
    let mut environment = plan.environment;
    environment.complete(&user);
    let Some((program, arguments)) = argv.split_first() else {
        return Err(fault(FaultKind::InvalidArgument, "there is nothing to execute").into());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment.into_entries());
    let null = outside.null.try_clone().map_err(|error| internal(&error))?;
    command.stdin(if plan.has_stdin {
        Stdio::piped()
    } else {
        null.into()
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let proc = outside.proc.try_clone().map_err(|error| internal(&error))?;
    let (told, tells) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| internal(&error.into()))?;
    let preparation = Preparation {
        entrance,
        proc,
        tells,
        cwd,
        uid: Uid::from_raw(user.uid),
        gid: Gid::from_raw(user.gid),
        groups: user.groups.iter().copied().map(Gid::from_raw).collect(),
    };
    sys::before_exec(&mut command, preparation.into_steps());
    let child = command
        .spawn()
        .map_err(|error| not_started(&program.to_string_lossy(), &error))?;
    opened(child, &told).map_err(|error| internal(&error).into())
}

/// Opens what there is of a process that has said its id in `told`.
fn opened(child: std::process::Child, told: &OwnedFd) -> io::Result<Spawned> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the kernel gave no process id"))?;
    let mut pid_in_workload = [0; size_of::<u32>()];
    // It was written before the program was executed, which has happened.
    rustix::io::read(told, &mut pid_in_workload)?;
    let (Some(stdout), Some(stderr)) = (child.stdout, child.stderr) else {
        return Err(io::Error::other("a pipe is missing"));
    };
    Ok(Spawned {
        pid: u32::from_ne_bytes(pid_in_workload),
        process: rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?,
        stdin: child.stdin.map(Into::into),
        stdout: stdout.into(),
        stderr: stderr.into(),
    })
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

fn argv(program: Program) -> Result<Vec<std::ffi::OsString>, Fault> {
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
fn open_cwd(path: &Path, create: bool, user: &User) -> Result<OwnedFd, Fault> {
    let refuse = |why: &dyn std::fmt::Display| {
        fault(
            FaultKind::InvalidArgument,
            format!("the working directory {}: {why}", path.display()),
        )
    };
    if create && !path.exists() {
        fs::create_dir_all(path).map_err(|error| refuse(&error))?;
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).map_err(|error| refuse(&error))?;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => refuse(&"it does not exist"),
        ErrorKind::NotADirectory => refuse(&"it is not a directory"),
        _ => refuse(&error),
    })
}

/// What the new process does to itself before it executes the program.
struct Preparation {
    entrance: OwnedFd,
    proc: OwnedFd,
    /// Where it writes its process id: only it can ask for that of its own pid namespace without a file of `/proc`.
    tells: OwnedFd,
    cwd: OwnedFd,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Preparation {
    /// Only system calls, on values that exist already.
    fn into_steps(self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        move || {
            let pid = rustix::process::setsid()?.as_raw_nonzero().get();
            rustix::io::write(&self.tells, &pid.to_ne_bytes())?;
            rustix::io::write(&self.entrance, b"0")?;
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let score = rustix::fs::openat(&self.proc, c"self/oom_score_adj", flags, Mode::empty())?;
            rustix::io::write(&score, b"0")?;
            let descriptors = rustix::process::getrlimit(Resource::Nofile).maximum;
            let limit = Rlimit {
                current: Some(DESCRIPTORS),
                maximum: descriptors,
            };
            rustix::process::setrlimit(Resource::Nofile, limit)?;
            rustix::process::fchdir(&self.cwd)?;
            rustix::thread::set_thread_groups(&self.groups)?;
            rustix::thread::set_thread_res_gid(self.gid, self.gid, self.gid)?;
            rustix::thread::set_thread_res_uid(self.uid, self.uid, self.uid)?;
            Ok(())
        }
    }
}
