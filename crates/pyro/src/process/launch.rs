//! Starts a program in a cgroup that it never was outside of.
//!
//! The standard library's `Command` cannot do that: its child would have to move itself. To move, a process waits until
//! the kernel has let all others know (an RCU grace period, which takes 8 to 20 ms on an idle host); a child that is made
//! in its cgroup (`CLONE_INTO_CGROUP`, clone(2)) waits for nothing, and is never a moment without its limits.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;

use super::running::Running;
use super::sys::{self, StringVector};

/// A program with all that it gets: no environment but what it is given, the root directory, a session of its own.
#[derive(Debug)]
pub(crate) struct Launch {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    stdio: [OwnedFd; 3],
}

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) process: Running,
    /// Whether it is in the cgroup that it was to be in.
    pub(crate) in_cgroup: bool,
}

impl Launch {
    /// Takes the program and its arguments, and what it gets as standard output and standard error.
    ///
    /// # Errors
    /// If an argument contains a NUL, or no descriptor is left.
    pub(crate) fn new(
        program: &Path,
        arguments: Vec<impl Into<Vec<u8>>>,
        output: OwnedFd,
        errors: OwnedFd,
    ) -> std::io::Result<Self> {
        let program = CString::new(program.as_os_str().as_bytes())?;
        let arguments = arguments
            .into_iter()
            .map(CString::new)
            .collect::<Result<Vec<_>, _>>()?;
        let input = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self {
            arguments: std::iter::once(program.clone()).chain(arguments).collect(),
            program,
            environment: Vec::new(),
            stdio: [above_stdio(input)?, above_stdio(output)?, above_stdio(errors)?],
        })
    }

    /// Gives it something else than nothing as standard input.
    ///
    /// # Errors
    /// If no descriptor is left.
    pub(crate) fn with_input(mut self, input: OwnedFd) -> std::io::Result<Self> {
        self.stdio[0] = above_stdio(input)?;
        Ok(self)
    }

    /// Gives it a variable.
    ///
    /// # Errors
    /// If the value contains a NUL.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> std::io::Result<Self> {
        self.environment.push(CString::new(format!("{name}={value}"))?);
        Ok(self)
    }

    /// Starts the program in the cgroup with this directory, or, if the kernel refuses that, where this process is.
    /// The new process takes `steps` before it becomes the program, by system calls only. Waits until it has.
    ///
    /// # Errors
    /// What a step or the execution gave; nothing is left running.
    pub(crate) fn start(
        &self,
        cgroup: Option<BorrowedFd<'_>>,
        steps: impl Fn() -> std::io::Result<()>,
    ) -> std::io::Result<Launched> {
        let arguments = StringVector::new(&self.arguments);
        let environment = StringVector::new(&self.environment);
        let (failure, teller) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let teller = above_stdio(teller)?;
        let child = || {
            let error = match self.enter().and_then(|()| steps()) {
                Ok(()) => sys::execute(&self.program, &arguments, &environment),
                Err(error) => error,
            };
            let number = error.raw_os_error().unwrap_or(libc::EINVAL);
            // Nobody is left to tell of a failure to tell.
            let _untold = rustix::io::write(&teller, &number.to_ne_bytes());
        };
        let confined = cgroup.map(|cgroup| sys::fork_into(cgroup, child));
        if let Some(Err(error)) = &confined {
            tracing::debug!(%error, "no process can be made in the cgroup");
        }
        let (pid, in_cgroup) = match confined {
            Some(Ok(pid)) => (pid, true),
            Some(Err(_)) | None => (sys::fork(child)?, false),
        };
        let process = Running::new(pid);
        drop(teller);
        let mut number = [0; size_of::<i32>()];
        match std::fs::File::from(failure).read_exact(&mut number) {
            // It says nothing if it became the program, which closed its end.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Ok(Launched { process, in_cgroup })
            }
            Err(error) => Err(error),
            Ok(()) => Err(std::io::Error::from_raw_os_error(i32::from_ne_bytes(number))),
        }
    }

    /// The part of it that is the same for every program.
    fn enter(&self) -> std::io::Result<()> {
        let [input, output, errors] = &self.stdio;
        rustix::stdio::dup2_stdin(input)?;
        rustix::stdio::dup2_stdout(output)?;
        rustix::stdio::dup2_stderr(errors)?;
        rustix::process::setsid()?;
        rustix::process::chdir("/")?;
        sys::reset_signals()
    }
}

/// The same open file under a number that no standard stream has, so that none is replaced before it was used.
fn above_stdio(descriptor: OwnedFd) -> std::io::Result<OwnedFd> {
    const FIRST: i32 = 3;
    if std::os::fd::AsRawFd::as_raw_fd(&descriptor) >= FIRST {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor.as_fd(), FIRST)?)
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, pipe};

    use super::*;

    fn launch(script: &str) -> (Launch, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let errors = writer.try_clone().unwrap();
        let arguments = ["-c", script].map(str::to_owned).to_vec();
        let launch = Launch::new(Path::new("/bin/sh"), arguments, writer.into(), errors.into());
        (launch.unwrap(), reader)
    }

    fn read(mut reader: PipeReader) -> String {
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn a_program_gets_its_streams_and_nothing_else() {
        let script = "pwd; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; cat; echo no >&2
            read -r _ _ _ _ group session _ </proc/$$/stat
            [ $group = $$ ] && [ $session = $$ ] || echo in a group or a session of others
            grep -e SigBlk -e SigIgn /proc/self/status; exit 3";
        let (launch, reader) = launch(script);
        let mut launched = launch.start(None, || Ok(())).unwrap();
        drop(launch);
        let said = read(reader);
        let (said, ignored) = said.split_once("SigIgn:\t").unwrap();
        assert_eq!(said, "/\nno\nSigBlk:\t0000000000000000\n");
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_eq!(ignored >> (libc::SIGPIPE - 1) & 1, 0, "SIGPIPE is ignored");
        let status = launched.process.wait().unwrap();
        assert_eq!(status.exit_status(), Some(3));
        assert!(!launched.in_cgroup);
    }

    #[test]
    fn a_program_gets_the_input_and_the_variables_that_it_is_given() {
        let (launch, reader) = launch("env | grep ^A; cat");
        let (input, mut writer) = pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"input").unwrap();
        drop(writer);
        let launch = launch.with_input(input.into()).unwrap();
        let launch = launch.with_variable("A", "b=c").unwrap();
        let mut launched = launch.start(None, || Ok(())).unwrap();
        drop(launch);
        assert_eq!(read(reader), "A=b=c\ninput");
        launched.process.wait().unwrap();
    }

    #[test]
    fn a_step_that_fails_is_told_and_leaves_nothing_running() {
        let (launch, reader) = launch("echo started");
        let failed = launch.start(None, || Err(rustix::io::Errno::XDEV.into()));
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::EXDEV));
        drop(launch);
        assert_eq!(read(reader), "");
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let (reader, writer) = pipe().unwrap();
        let errors = writer.try_clone().unwrap();
        let absent = Path::new("/nonexistent/program");
        let launch = Launch::new(absent, Vec::<String>::new(), writer.into(), errors.into()).unwrap();
        let failed = launch.start(None, || Ok(())).unwrap_err();
        assert_eq!(failed.kind(), std::io::ErrorKind::NotFound);
        drop(reader);
    }

    #[test]
    fn a_directory_that_is_no_cgroup_is_done_without() {
        let (launch, reader) = launch("echo started");
        let directory = std::fs::File::open("/").unwrap();
        let mut launched = launch.start(Some(directory.as_fd()), || Ok(())).unwrap();
        drop(launch);
        assert_eq!(read(reader), "started\n");
        assert!(!launched.in_cgroup);
        launched.process.wait().unwrap();
    }
}
