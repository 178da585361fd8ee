//! What fails in the command line itself, beside the library's own errors.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use pyro::argument::InvalidArgument;
use pyro::{Diagnosis, ErrorCode};
use serde_json::{Map, Value, json};

use crate::format;

/// A failure of the command line.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Arguments that make no sense, found by the parser or after it.
    Usage {
        /// The code: an unknown argument or an invalid one.
        code: ErrorCode,
        /// One sentence.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// The host did not let the command line do its part.
    Host {
        /// What was attempted, as in "cannot …".
        attempt: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A file of the host that was named cannot be read.
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the host cannot be written.
    Unwritable {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A configuration file of another program cannot be understood, and is left as it is.
    ForeignFile {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it, with line and column if it is at one.
        problem: String,
    },
    /// Something that was given is over its limit.
    TooLarge {
        /// What it is, as in "the patch".
        what: &'static str,
        /// Its length in bytes, if it is known.
        given: Option<u64>,
        /// The most that it may have, in bytes; whole MiB.
        limit: u64,
        /// What to do instead.
        hint: &'static str,
    },
    /// The workspace has no such snapshot.
    NoSnapshot {
        /// What was asked for.
        name: String,
        /// The workspace, as it was called.
        workspace: String,
    },
    /// This version lacks what was asked for.
    NotBuilt {
        /// What cannot be done, as a sentence.
        what: &'static str,
        /// What can.
        hint: &'static str,
    },
    /// The user interrupted something other than a guest's command.
    Interrupted {
        /// What was interrupted.
        operation: &'static str,
        /// What to do to go on.
        hint: &'static str,
    },
}

impl Failure {
    /// An argument whose value cannot be used.
    pub(crate) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            code: ErrorCode::InvalidArgument,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// An argument that the library refuses, with a hint that names the option instead of the parameter.
    pub(crate) fn argument(error: InvalidArgument) -> Self {
        let (code, message) = (error.code(), error.to_string());
        let hint = match error {
            InvalidArgument::OutOfRange { name, min, max, .. } => {
                let option = name.replace('_', "-");
                Some(format!("pass `--{option}` a value from {min} to {max}"))
            }
            InvalidArgument::Malformed { name: "env", .. } => {
                Some("pass `--env NAME=VALUE`, once for each variable".to_owned())
            }
            InvalidArgument::Malformed { name: "command", .. } => {
                Some("put what to run after `--`, as in `pyro run -- git --version`".to_owned())
            }
            other => other.hint(),
        };
        Self::Usage { code, message, hint }
    }

    /// Makes an I/O error say what was attempted.
    pub(crate) fn host(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Host { attempt, source }
    }
}

impl Diagnosis for Failure {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Usage { code, .. } => *code,
            Self::Host { .. } | Self::Unreadable { .. } | Self::Unwritable { .. } => ErrorCode::HostIo,
            Self::ForeignFile { .. } => ErrorCode::InvalidState,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::NoSnapshot { .. } => ErrorCode::ItemNotFound,
            Self::NotBuilt { .. } => ErrorCode::Unsupported,
            Self::Interrupted { .. } => ErrorCode::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Host { .. } => None,
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("check the path; it is one of this host".to_owned())
            }
            Self::Unreadable { .. } => Some("name a file of this host that you may read".to_owned()),
            Self::Unwritable { .. } => Some("make it writable, or write the entry yourself".to_owned()),
            Self::ForeignFile { .. } => {
                Some("correct the file, then run this again; nothing was changed".to_owned())
            }
            Self::NoSnapshot { .. } => Some("snapshots: baseline".to_owned()),
            Self::TooLarge { hint, .. } | Self::NotBuilt { hint, .. } | Self::Interrupted { hint, .. } => {
                Some((*hint).to_owned())
            }
        }
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let Self::NoSnapshot { .. } = self else {
            return None;
        };
        Some([("kind".to_owned(), json!("snapshot"))].into_iter().collect())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { message, .. } => formatter.write_str(message),
            Self::Host { attempt, .. } => formatter.write_str(attempt),
            Self::Unreadable { path, .. } => write!(formatter, "cannot read `{}`", path.display()),
            Self::Unwritable { path, .. } => write!(formatter, "cannot write `{}`", path.display()),
            Self::ForeignFile { path, problem } => {
                write!(formatter, "cannot understand `{}`: {problem}", path.display())
            }
            Self::TooLarge {
                what, given, limit, ..
            } => {
                let limit = limit >> 20;
                match given.map(format::size) {
                    Some(given) => write!(formatter, "{what} has {given}, the limit is {limit} MiB"),
                    None => write!(formatter, "{what} has more than {limit} MiB"),
                }
            }
            Self::NoSnapshot { name, workspace } => {
                write!(formatter, "no snapshot `{name}` in `{workspace}`")
            }
            Self::NotBuilt { what, .. } => formatter.write_str(what),
            Self::Interrupted { operation, .. } => write!(formatter, "{operation} was interrupted"),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Host { source, .. } | Self::Unreadable { source, .. } | Self::Unwritable { source, .. } => {
                Some(source)
            }
            Self::Usage { .. }
            | Self::ForeignFile { .. }
            | Self::TooLarge { .. }
            | Self::NoSnapshot { .. }
            | Self::NotBuilt { .. }
            | Self::Interrupted { .. } => None,
        }
    }
}
