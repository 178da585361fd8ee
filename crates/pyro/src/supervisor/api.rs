//! What can be asked of a supervisor, and what it answers. Versioned: client and supervisor may be of different builds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Diagnosis, Error, ErrorCode};
use crate::object::ExecOutcome;
use crate::workspace::KeptStreams;

/// The version of the calls below.
pub(crate) const VERSION: u32 = 1;

/// What a client says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) api: u32,
    /// The client's pyro.
    pub(crate) pyro: String,
    pub(crate) call: Call,
}

/// What a client wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    /// Nothing: is anybody there?
    Ping,
    /// Run a command; a [`Frame::Exec`](super::wire::Frame::Exec) follows, then standard input.
    Exec {
        /// The command, as one line.
        command: String,
        cwd: String,
        /// The most output kept, in bytes.
        output_limit: u64,
    },
    /// Have the agent answer, which does nothing else for it.
    PingGuest,
    /// Call the agent: once [`Answer::Done`] has come, the connection carries the frames of that call and nothing else.
    Guest {
        /// The verb, which is about files.
        verb: String,
    },
    /// End a command: gently at first if it is to be interrupted.
    End { sequence: u64, grace_ms: Option<u64> },
    /// Send a signal to every process of a command.
    Signal { sequence: u64, number: i32 },
    /// Let a command go on when the client that began it leaves.
    Keep { sequence: u64 },
    /// Be answered once a command does not run any more, or at the latest after this time.
    Wait { sequence: u64, at_most_ms: u64 },
    /// Count an operation as activity and let nothing expire for a new time.
    SetTtl { ttl_seconds: u64 },
    /// Power the guest off, or at once kill it, and end.
    Stop { at_once: bool },
    /// Return the disk to the baseline.
    Reset,
}

/// What a supervisor answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The call is done.
    Done,
    /// The command was recorded and begins.
    Began {
        sequence: u64,
        generation: u64,
        recorded_at: Timestamp,
    },
    /// The command ended.
    Ended(Box<CommandEnd>),
    /// The call failed.
    Failed(RemoteError),
}

/// How a command ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CommandEnd {
    pub(crate) outcome: ExecOutcome,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    pub(crate) duration_ms: u64,
    /// Its process id in the guest; absent from builds that did not ask.
    #[serde(default)]
    pub(crate) guest_pid: Option<u32>,
    pub(crate) left_running: u32,
    pub(crate) streams: KeptStreams,
    pub(crate) warning: Option<String>,
}

/// A failure in another process, as it would have been here.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub(crate) struct RemoteError {
    code: String,
    message: String,
    hint: Option<String>,
    details: Option<Map<String, Value>>,
}

impl From<&Error> for RemoteError {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().as_str().to_owned(),
            message: error.message(),
            hint: error.hint(),
            details: error.details(),
        }
    }
}

impl Diagnosis for RemoteError {
    fn code(&self) -> ErrorCode {
        ErrorCode::from_name(&self.code).unwrap_or(ErrorCode::Internal)
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }

    fn details(&self) -> Option<Map<String, Value>> {
        self.details.clone()
    }
}
