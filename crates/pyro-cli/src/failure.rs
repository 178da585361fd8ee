//! What fails in the command line itself, beside the library's own errors.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use pyro::argument::InvalidArgument;
use pyro::{Diagnosis, ErrorCode};

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
            Self::Host { .. } => ErrorCode::HostIo,
            Self::Interrupted { .. } => ErrorCode::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Host { .. } => None,
            Self::Interrupted { hint, .. } => Some((*hint).to_owned()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { message, .. } => formatter.write_str(message),
            Self::Host { attempt, .. } => formatter.write_str(attempt),
            Self::Interrupted { operation, .. } => write!(formatter, "{operation} was interrupted"),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Host { source, .. } => Some(source),
            Self::Usage { .. } | Self::Interrupted { .. } => None,
        }
    }
}
