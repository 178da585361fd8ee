//! VMs that did not start, or went away.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::{Diagnosis, ErrorCode};
use crate::guest::GuestError;
use crate::id::VmId;
use crate::vmm::{LastWords, VmmError};

/// A VM that did not start, or went away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmError {
    /// The VMM could not be started.
    #[error(transparent)]
    Vmm(#[from] VmmError),
    /// The VMM ended before the agent answered.
    #[error("the VM {how} after {:.1} s, before its agent answered", after.as_secs_f64())]
    EndedEarly {
        /// How it ended.
        how: String,
        /// How long it ran.
        after: Duration,
        /// What it said last.
        last_words: LastWords,
    },
    /// The agent did not answer within the bound.
    #[error("the VM's agent did not answer within {} s", bound.as_secs())]
    Silent {
        /// The bound.
        bound: Duration,
        /// What the VM said last.
        last_words: LastWords,
    },
    /// The agent answered, and the guest cannot serve.
    #[error("the VM started, but not as it should")]
    Unfit {
        /// Why.
        #[source]
        source: GuestError,
        /// What the VM said last.
        last_words: LastWords,
    },
    /// The VM was ended on purpose while it was used.
    #[error("the VM was ended")]
    Ended,
    /// The VM went away while it was used.
    #[error("the VM {vm_id} {how}")]
    Lost {
        /// The VM.
        vm_id: VmId,
        /// How it ended, or how its agent fell silent.
        how: String,
        /// What the VM said last.
        last_words: LastWords,
    },
}

impl Diagnosis for VmError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Vmm(error) => error.code(),
            Self::EndedEarly { .. } | Self::Silent { .. } => ErrorCode::BootFailed,
            Self::Unfit { source, .. } => match source.code() {
                ErrorCode::VersionMismatch => ErrorCode::VersionMismatch,
                _ => ErrorCode::BootFailed,
            },
            Self::Ended => ErrorCode::Cancelled,
            Self::Lost { .. } => ErrorCode::GuestLost,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Vmm(error) => return error.hint(),
            Self::EndedEarly { .. } | Self::Silent { .. } | Self::Unfit { .. } => {
                "`details` has the last console lines; more memory (`--mem-mib`) or `pyro doctor` may help"
                    .to_owned()
            }
            Self::Ended => return None,
            Self::Lost { .. } => "run the command again; `details` has the last console lines".to_owned(),
        })
    }

    fn details(&self) -> Option<Map<String, Value>> {
        match self {
            Self::Vmm(error) => error.details(),
            Self::Ended => None,
            Self::EndedEarly { last_words, .. }
            | Self::Silent { last_words, .. }
            | Self::Unfit { last_words, .. }
            | Self::Lost { last_words, .. } => Some(last_words.to_details()),
        }
    }
}
