//! Why an operation on a workspace was refused.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::record::State;
use crate::dirs::DirError;
use crate::error::{Diagnosis, ErrorCode};
use crate::id::{VmId, WorkspaceId, WorkspaceName};

/// An operation on a workspace that cannot be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// There is none.
    #[error("no workspace `{given}`")]
    NotFound {
        /// What it was called by.
        given: String,
        /// How many others there are.
        others: usize,
    },
    /// There is no such one-shot VM.
    #[error("{}", no_vm(*id, *expired_at, Timestamp::now()))]
    VmNotFound {
        /// What was asked for.
        id: VmId,
        /// When its time was over, if that is why.
        expired_at: Option<Timestamp>,
    },
    /// A one-shot VM has its command.
    #[error("the VM `{id}` had its command already")]
    Spent {
        /// The VM.
        id: VmId,
    },
    /// Another workspace has the name.
    #[error("a workspace `{name}` exists")]
    NameTaken {
        /// The name.
        name: WorkspaceName,
        /// Whose it is.
        holder: WorkspaceId,
    },
    /// Not in this state.
    #[error("`{shown}` is {}", state.as_str())]
    State {
        /// Its name, else its id.
        shown: String,
        /// Its state.
        state: State,
        /// What to do about it.
        hint: String,
    },
    /// An exclusive operation is under way.
    #[error("`{shown}` is {} since {seconds} s", state.as_str())]
    Busy {
        /// Its name, else its id.
        shown: String,
        /// What is being done.
        state: State,
        /// For how long.
        seconds: i64,
    },
    /// Its record cannot be read.
    #[error("the record of `{id}` is damaged: {problem}")]
    Damaged {
        /// The workspace or VM.
        id: WorkspaceId,
        /// Which of them.
        kind: Kind,
        /// What is wrong with it.
        problem: String,
    },
    /// Its record was written by a newer pyro.
    #[error("the record of `{id}` has format {format}, which this pyro does not know")]
    Newer {
        /// The workspace.
        id: WorkspaceId,
        /// The format.
        format: u64,
    },
    /// There is no such command.
    #[error("no command {sequence} in `{shown}`")]
    NoCommand {
        /// Its name, else its id.
        shown: String,
        /// What was asked for.
        sequence: u64,
        /// The last one there is.
        last: u64,
    },
    /// The command does not run.
    #[error("command {sequence} does not run any more")]
    CommandOver {
        /// Its number.
        sequence: u64,
    },
    /// The host's file system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted, as in "read".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory or a record cannot be used.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// Creating it was given up by whoever asked.
    #[error("creating the workspace was cancelled")]
    Cancelled,
}

impl Diagnosis for WorkspaceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::WorkspaceNotFound,
            Self::VmNotFound { .. } => ErrorCode::VmNotFound,
            Self::NameTaken { .. } => ErrorCode::NameTaken,
            Self::Spent { .. } | Self::State { .. } | Self::CommandOver { .. } => ErrorCode::InvalidState,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::Damaged { .. } => ErrorCode::StateDamaged,
            Self::Newer { .. } => ErrorCode::VersionMismatch,
            Self::NoCommand { .. } => ErrorCode::ItemNotFound,
            Self::Io { .. } => ErrorCode::HostIo,
            Self::Dir(error) => error.code(),
            Self::Cancelled => ErrorCode::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { others: 0, .. } => "there is none; `pyro workspace create` makes one".to_owned(),
            Self::NotFound { others: 1, .. } => "`pyro workspace list` shows 1 other".to_owned(),
            Self::NotFound { others, .. } => format!("`pyro workspace list` shows {others} others"),
            Self::VmNotFound { expired_at: None, .. } => "`vm_create` makes one".to_owned(),
            Self::VmNotFound { .. } => "create another, with a larger `ttl_seconds`".to_owned(),
            Self::Spent { .. } => "a VM is for one command; `vm_create` makes another".to_owned(),
            Self::NameTaken { holder, .. } => format!("choose another or delete `{holder}`"),
            Self::State { hint, .. } => hint.clone(),
            Self::Busy { .. } => "try again; nothing was changed".to_owned(),
            Self::Damaged { id, kind, .. } => match kind {
                Kind::Workspace => format!("others are unaffected; `pyro workspace delete {id}` removes it"),
                Kind::Vm => format!("others are unaffected; `vm_delete` of `{id}` removes it"),
            },
            Self::Newer { .. } => "use the pyro that made it".to_owned(),
            Self::NoCommand { last: 0, .. } => "no command ran in it yet".to_owned(),
            Self::NoCommand { last, .. } => format!("its commands are 1 to {last}; `pyro workspace logs`"),
            Self::CommandOver { .. } => "`pyro workspace logs` shows how it ended".to_owned(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some space and try again; nothing was changed".to_owned()
            }
            Self::Io { .. } => "check its owner and mode; see `pyro doctor`".to_owned(),
            Self::Dir(error) => return error.hint(),
            Self::Cancelled => "nothing was left behind; run it again".to_owned(),
        })
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let (name, value) = match self {
            Self::NoCommand { .. } => ("kind", json!("command")),
            Self::VmNotFound { expired_at, .. } => {
                ("reason", json!(expired_at.map_or("unknown", |_| "expired")))
            }
            _ => return None,
        };
        Some([(name.to_owned(), value)].into_iter().collect())
    }
}

impl WorkspaceError {
    /// Whether what was asked for is not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::VmNotFound { .. })
    }
}

fn no_vm(id: VmId, expired_at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(expired_at) = expired_at else {
        return format!("no VM `{id}`");
    };
    let ago = match now.duration_since(expired_at).as_secs().max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    };
    format!("VM `{id}` expired {ago} ago")
}

/// Makes an error of an operation on a file.
pub(super) fn io_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> WorkspaceError {
    let path = path.into();
    move |source| WorkspaceError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_that_expired_says_so() {
        let id = "3f2a91c0d4e5".parse().unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let said = |seconds| no_vm(id, Some(at(0)), at(seconds));
        assert_eq!(said(-5), "VM `3f2a91c0d4e5` expired 0 s ago");
        assert_eq!(said(240), "VM `3f2a91c0d4e5` expired 4 min ago");
        assert_eq!(said(90_000), "VM `3f2a91c0d4e5` expired 25 h ago");
        assert_eq!(no_vm(id, None, at(0)), "no VM `3f2a91c0d4e5`");
        let reason =
            |expired_at| WorkspaceError::VmNotFound { id, expired_at }.details().unwrap()["reason"].clone();
        assert_eq!(
            (reason(Some(at(0))), reason(None)),
            (json!("expired"), json!("unknown"))
        );
    }
}
