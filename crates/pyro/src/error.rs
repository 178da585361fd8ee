//! The one shape of every failure: a code for programs, a sentence, a next step.

use std::error::Error as StdError;
use std::fmt;

use serde_json::{Map, Value};

/// A failure of pyro, as every surface shows it.
pub struct Error(Box<dyn Diagnosis>);

/// What an error of a module must be able to say to become an [`Error`].
///
/// Each module that fails on its own has its own error type, in the file that raises it; this is all they share.
pub trait Diagnosis: StdError + Send + Sync + 'static {
    /// The code that programs act on.
    fn code(&self) -> ErrorCode;

    /// The next step, with a command or an argument to use.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Facts for programs.
    fn details(&self) -> Option<Map<String, Value>> {
        None
    }
}

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The code that programs act on.
    pub fn code(&self) -> ErrorCode {
        self.0.code()
    }

    /// One sentence that names the thing and the cause.
    pub fn message(&self) -> String {
        let mut message = self.0.to_string();
        let mut source = self.0.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Transparent wrappers repeat their cause; a sentence should not.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        one_line(&message)
    }

    /// The next step, if there is one.
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// Facts for programs, if there are any.
    pub fn details(&self) -> Option<Map<String, Value>> {
        self.0.details()
    }

    /// The object `{code, message, hint, details}` of the contract.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "code": self.code().as_str(),
            "message": self.message(),
            "hint": self.hint(),
            "details": self.details(),
        })
    }
}

/// The longest message, in characters. Parts of it may come from files, registries and guests.
const MAX_MESSAGE_LENGTH: usize = 2000;

/// What others said cannot look like further lines of pyro's.
fn one_line(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(printable).take(MAX_MESSAGE_LENGTH).collect()
}

impl<E: Diagnosis> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $exit:literal;)+) => {
        /// What went wrong, for programs. Codes are only ever added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as programs see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The code with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// The exit status of a command that fails with it.
            pub fn exit_status(self) -> u8 {
                match self { $(Self::$variant => $exit,)+ }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

error_codes! {
    /// A value is malformed, out of range, or contradicts another.
    InvalidArgument = "invalid-argument", 2;
    /// A flag or argument does not exist.
    UnknownArgument = "unknown-argument", 2;
    /// Neither an id nor a possible name.
    InvalidId = "invalid-id", 2;
    /// No such workspace.
    WorkspaceNotFound = "workspace-not-found", 125;
    /// No such one-shot VM.
    VmNotFound = "vm-not-found", 125;
    /// Not in the catalog, among the imports or at the registry.
    EnvironmentNotFound = "environment-not-found", 125;
    /// No such path in the guest.
    PathNotFound = "path-not-found", 125;
    /// No such command in the workspace.
    ItemNotFound = "item-not-found", 125;
    /// A path in the guest leaves its tree.
    PathRefused = "path-refused", 2;
    /// The operation does not fit this kind of file.
    WrongFileType = "wrong-file-type", 125;
    /// An input over a limit.
    TooLarge = "too-large", 2;
    /// A name is in use.
    NameTaken = "name-taken", 125;
    /// The target exists.
    OutputExists = "output-exists", 125;
    /// A path on the host outside the allowed roots.
    HostPathDenied = "host-path-denied", 2;
    /// The host's file system refused.
    HostIo = "host-io", 125;
    /// Not possible in this state.
    InvalidState = "invalid-state", 125;
    /// An exclusive operation is under way.
    Busy = "busy", 125;
    /// The host lacks the memory or the disk space.
    InsufficientResources = "insufficient-resources", 125;
    /// The wanted tier does not work here.
    IsolationUnavailable = "isolation-unavailable", 125;
    /// The tier or the build lacks this.
    Unsupported = "unsupported", 125;
    /// The VM started but its agent never answered.
    BootFailed = "boot-failed", 125;
    /// The VM went away during the operation.
    GuestLost = "guest-lost", 125;
    /// An operation other than a command ran out of time.
    TimeLimit = "time-limit", 124;
    /// Interrupted by the caller.
    Cancelled = "cancelled", 130;
    /// An archive that cannot be accepted.
    ArchiveInvalid = "archive-invalid", 125;
    /// Not a readable diff.
    PatchInvalid = "patch-invalid", 2;
    /// Hunks do not fit; nothing was changed.
    PatchFailed = "patch-failed", 1;
    /// A shell string in an image without a shell.
    ShellMissing = "shell-missing", 125;
    /// A registry or mirror did not deliver.
    PullFailed = "pull-failed", 125;
    /// Content differs from its digest.
    DigestMismatch = "digest-mismatch", 125;
    /// A record or a disk cannot be read.
    StateDamaged = "state-damaged", 125;
    /// Kernel, agent or VMM is missing or changed.
    RuntimeDamaged = "runtime-damaged", 125;
    /// State or supervisor of another version.
    VersionMismatch = "version-mismatch", 125;
    /// A model server did not answer, or its model did not do what it was asked.
    ModelFailed = "model-failed", 125;
    /// A fault of pyro.
    Internal = "internal", 125;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `seed.tar`")]
    struct Sample(#[source] std::io::Error);

    impl Diagnosis for Sample {
        fn code(&self) -> ErrorCode {
            ErrorCode::HostIo
        }

        fn hint(&self) -> Option<String> {
            Some("check its owner and mode".to_owned())
        }
    }

    #[test]
    fn a_failure_has_the_shape_of_the_contract() {
        let error = Error::from(Sample(std::io::Error::other("permission denied")));
        assert_eq!(
            error.to_json(),
            serde_json::json!({
                "code": "host-io",
                "message": "cannot read `seed.tar`: permission denied",
                "hint": "check its owner and mode",
                "details": null,
            })
        );
    }

    #[test]
    fn a_message_is_one_line_whatever_its_parts_hold() {
        let error = Error::from(Sample(std::io::Error::other("a\nhint: run this\u{1b}[2J")));
        assert!(!error.message().contains(char::is_control), "{error}");
    }

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
