//! A request to run something, checked as far as that goes without the machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use pyro_proto::message::{Exec, Fault, FaultKind};

use super::environment::Environment;
use super::user::UserSpec;
use crate::call::fault;

const MAX_REQUEST_ID_BYTES: usize = 128;

/// What is to be executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A program and its arguments; never empty.
    Argv(Vec<OsString>),
    /// A string for `/bin/sh`, or if the image has none, the vector beside it.
    Shell {
        /// The string.
        string: OsString,
        /// What to execute without a shell; may be empty.
        fallback: Vec<OsString>,
    },
}

/// A checked request.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What is to be executed.
    pub(crate) program: Program,
    /// The variables that were asked for.
    pub(crate) environment: Environment,
    /// The working directory, absolute; none is the root, or the workspace where commands share the host's root.
    pub(crate) cwd: Option<PathBuf>,
    /// Whether to make it if it is missing.
    pub(crate) create_cwd: bool,
    /// Who runs it.
    pub(crate) user: UserSpec,
    /// How long it may run.
    pub(crate) timeout: Option<Duration>,
    /// From TERM to KILL when the time is up.
    pub(crate) grace: Duration,
    /// Whether standard input follows.
    pub(crate) has_stdin: bool,
    /// Whether nothing of it may remain.
    pub(crate) is_rehearsal: bool,
}

impl TryFrom<Exec> for Plan {
    type Error = Fault;

    fn try_from(exec: Exec) -> Result<Self, Fault> {
        let invalid = |message: &str| fault(FaultKind::InvalidArgument, message);
        if exec.request_id.is_empty() || exec.request_id.len() > MAX_REQUEST_ID_BYTES {
            return Err(invalid("a request id has 1 to 128 bytes"));
        }
        let argv = exec.argv.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let program = match exec.shell {
            Some(string) => Program::Shell {
                string: text(&string)?,
                fallback: argv,
            },
            None if argv.is_empty() => return Err(invalid("there is nothing to execute")),
            None => Program::Argv(argv),
        };
        let cwd = match exec.cwd.is_empty() {
            true => None,
            false => Some(PathBuf::from(text(&exec.cwd)?)),
        };
        if cwd.as_ref().is_some_and(|cwd| !cwd.is_absolute()) {
            return Err(invalid("the working directory is not absolute"));
        }
        Ok(Self {
            program,
            environment: Environment::try_from(exec.env.as_slice())?,
            cwd,
            create_cwd: exec.create_cwd,
            user: exec.user.parse()?,
            timeout: (exec.timeout_ms > 0).then(|| Duration::from_millis(exec.timeout_ms)),
            grace: Duration::from_millis(exec.grace_ms),
            has_stdin: exec.stdin,
            is_rehearsal: exec.rehearsal,
        })
    }
}

/// Bytes as the kernel takes them: anything but NUL.
pub(crate) fn text(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Result<OsString, Fault> {
    let bytes = bytes.as_ref();
    if bytes.contains(&0) {
        return Err(fault(
            FaultKind::InvalidArgument,
            "an argument, variable or path contains a NUL byte",
        ));
    }
    Ok(OsString::from_vec(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn wire(texts: &[&str]) -> Vec<Bytes> {
        texts
            .iter()
            .map(|text| Bytes::copy_from_slice(text.as_bytes()))
            .collect()
    }

    fn exec(argv: &[&str]) -> Exec {
        Exec {
            request_id: "1".to_owned(),
            argv: wire(argv),
            ..Exec::default()
        }
    }

    #[test]
    fn a_plain_vector_runs_in_the_root_as_root() {
        let plan = Plan::try_from(exec(&["git", "--version"])).unwrap();
        assert_eq!(
            plan.program,
            Program::Argv(vec!["git".into(), "--version".into()])
        );
        assert_eq!(plan.cwd, None);
        assert_eq!(plan.timeout, None);
    }

    #[test]
    fn what_cannot_be_executed_is_refused_before_anything_is_done() {
        let refused =
            |exec: Exec| Plan::try_from(exec).unwrap_err().kind == i32::from(FaultKind::InvalidArgument);
        assert!(refused(exec(&[])));
        assert!(refused(exec(&["a\0b"])));
        assert!(refused(Exec {
            request_id: String::new(),
            ..exec(&["true"])
        }));
        assert!(refused(Exec {
            cwd: Bytes::from_static(b"src"),
            ..exec(&["true"])
        }));
        assert!(refused(Exec {
            env: wire(&["=x"]),
            ..exec(&["true"])
        }));
    }
}
