//! What a caller asks of a run.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use tokio::io::AsyncRead;

use crate::Pyro;
use crate::argument::{self, InvalidArgument};
use crate::isolation::IsolationFloor;
use crate::resources::Resources;

/// A command for a one-shot VM, with everything about it that can be chosen.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunRequest {
    /// The environment; the settings' default if absent.
    pub environment: Option<String>,
    /// What to run.
    pub command: Command,
    /// The size of the VM.
    pub resources: Resources,
    /// The isolation demanded; the settings' default if absent.
    pub isolation: Option<IsolationFloor>,
    /// How long the command may run; `None` is without limit.
    pub timeout: Option<Duration>,
    /// How long the VM may be idle. A running command is activity, so it never cuts a command short.
    pub ttl: Duration,
    /// The working directory; the image's if absent.
    pub cwd: Option<String>,
    /// Variables for the command, on top of the image's.
    pub env: Vec<(String, OsString)>,
    /// The user, as `name`, `uid`, `name:group` or `uid:gid`; the image's if absent.
    pub user: Option<String>,
    /// The command's standard input.
    pub stdin: Stdin,
    /// The most output kept for the result, over both streams, in bytes; the settings' default if absent.
    pub output_limit: Option<u64>,
}

impl RunRequest {
    /// A request with every choice at its default.
    pub fn new(command: Command) -> Self {
        Self {
            environment: None,
            command,
            resources: Resources::default(),
            isolation: None,
            timeout: Some(argument::DEFAULT_TIMEOUT),
            ttl: argument::DEFAULT_VM_TTL,
            cwd: None,
            env: Vec::new(),
            user: None,
            stdin: Stdin::Empty,
            output_limit: None,
        }
    }
}

impl RunRequest {
    /// Checks everything that can be checked before any work starts.
    ///
    /// # Errors
    /// [`InvalidArgument`] for the first value that cannot be used.
    pub(super) fn validate(&self, pyro: &Pyro) -> Result<(), InvalidArgument> {
        self.command.validate()?;
        let size = self.resources;
        let (vcpus, memory, disk) = (size.vcpu_count(), size.mem_mib(), size.disk_gib());
        Resources::new(vcpus.into(), memory.into(), disk.into(), pyro.host_memory_mib())?;
        if let Some(timeout) = self.timeout {
            argument::in_range("timeout_seconds", timeout.as_secs(), &argument::TIMEOUT_SECONDS)?;
        }
        argument::in_range("ttl_seconds", self.ttl.as_secs(), &argument::TTL_SECONDS)?;
        for (name, value) in &self.env {
            argument::variable_name(name)?;
            argument::no_nul("env", value.as_bytes())?;
        }
        if let Some(cwd) = &self.cwd {
            argument::no_nul("cwd", cwd.as_bytes())?;
            if !cwd.starts_with('/') {
                return Err(InvalidArgument::Malformed {
                    name: "cwd",
                    problem: "must be an absolute path in the guest",
                    given: cwd.clone(),
                });
            }
        }
        self.user
            .as_ref()
            .map_or(Ok(()), |user| argument::no_nul("user", user.as_bytes()))
    }
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments, untouched.
    Argv(Vec<OsString>),
    /// A string for `/bin/sh -lc`.
    Shell(String),
}

impl Command {
    /// Takes the words after `--`: one is a shell string, several are an argument vector.
    ///
    /// # Errors
    /// [`InvalidArgument`] if there is nothing to run, or too much of it.
    pub fn from_words(words: Vec<OsString>) -> Result<Self, InvalidArgument> {
        let command = match <[OsString; 1]>::try_from(words) {
            Ok([word]) => match word.into_string() {
                Ok(text) => Self::Shell(text),
                // A shell string that is no text can still be a program's name.
                Err(word) => Self::Argv(vec![word]),
            },
            Err(words) => Self::Argv(words),
        };
        command.validate()?;
        Ok(command)
    }

    /// Checks the limits on length, and that there is something to run.
    ///
    /// # Errors
    /// [`InvalidArgument`] for the first limit exceeded.
    pub fn validate(&self) -> Result<(), InvalidArgument> {
        match self {
            Self::Shell(text) if text.trim().is_empty() => Err(empty()),
            Self::Shell(text) if text.contains('\0') => Err(nul(text)),
            Self::Shell(text) => limit(text.len(), argument::MAX_SHELL_BYTES),
            Self::Argv(words) if words.first().is_none_or(|word| word.is_empty()) => Err(empty()),
            Self::Argv(words) => {
                if let Some(word) = words.iter().find(|word| word.as_bytes().contains(&0)) {
                    return Err(nul(&word.to_string_lossy()));
                }
                limit(
                    words.iter().map(|word| word.len() + 1).sum(),
                    argument::MAX_ARGV_BYTES,
                )
            }
        }
    }
}

fn limit(given: usize, limit: usize) -> Result<(), InvalidArgument> {
    if given <= limit {
        Ok(())
    } else {
        Err(InvalidArgument::TooLong {
            name: "command",
            given,
            limit,
        })
    }
}

fn empty() -> InvalidArgument {
    InvalidArgument::Malformed {
        name: "command",
        problem: "must not be empty",
        given: String::new(),
    }
}

fn nul(given: &str) -> InvalidArgument {
    let given = argument::excerpt(given);
    InvalidArgument::Malformed {
        name: "command",
        problem: "must not contain a NUL byte",
        given,
    }
}

impl fmt::Display for Command {
    /// One line that a shell would take for the same command.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(text) => formatter.write_str(text),
            Self::Argv(words) => {
                let words: Vec<_> = words
                    .iter()
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect();
                formatter.write_str(&shell_words::join(words))
            }
        }
    }
}

/// A command's standard input.
pub enum Stdin {
    /// Nothing: the command reads the end at once.
    Empty,
    /// Whatever the reader gives, to its end.
    Reader(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

impl fmt::Debug for Stdin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "Empty",
            Self::Reader(_) => "Reader",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn one_word_is_a_shell_string_and_several_are_a_vector() {
        assert_eq!(
            Command::from_words(words(&["a && b"])),
            Ok(Command::Shell("a && b".to_owned()))
        );
        assert_eq!(
            Command::from_words(words(&["a", "b c"])),
            Ok(Command::Argv(words(&["a", "b c"])))
        );
        assert_eq!(Command::Argv(words(&["a", "b c"])).to_string(), "a 'b c'");
    }

    #[test]
    fn nothing_to_run_is_refused() {
        for none in [&[][..], &[""], &["  "], &["", "x"]] {
            assert!(Command::from_words(words(none)).is_err(), "{none:?}");
        }
    }

    #[test]
    fn a_command_over_its_limit_is_refused() {
        let shell = "x".repeat(argument::MAX_SHELL_BYTES + 1);
        assert!(Command::Shell(shell).validate().is_err());
        assert!(
            Command::Argv(words(&["a", &"x".repeat(argument::MAX_ARGV_BYTES)]))
                .validate()
                .is_err()
        );
    }
}
