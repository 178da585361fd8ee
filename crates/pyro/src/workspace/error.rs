//! Why an operation on a workspace was refused.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::record::State;
use crate::dirs::DirError;
use crate::error::{Diagnosis, ErrorCode};
use crate::id::{WorkspaceId, WorkspaceName};

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
        /// The workspace.
        id: WorkspaceId,
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
            Self::NameTaken { .. } => ErrorCode::NameTaken,
            Self::State { .. } => ErrorCode::InvalidState,
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
            Self::NameTaken { holder, .. } => format!("choose another or delete `{holder}`"),
            Self::State { hint, .. } => hint.clone(),
            Self::Busy { .. } => "try again; nothing was changed".to_owned(),
            Self::Damaged { id, .. } => {
                format!("others are unaffected; `pyro workspace delete {id}` removes it")
            }
            Self::Newer { .. } => "use the pyro that made it".to_owned(),
            Self::NoCommand { last: 0, .. } => "no command ran in it yet".to_owned(),
            Self::NoCommand { last, .. } => format!("its commands are 1 to {last}; `pyro workspace logs`"),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some space and try again; nothing was changed".to_owned()
            }
            Self::Io { .. } => "check its owner and mode; see `pyro doctor`".to_owned(),
            Self::Dir(error) => return error.hint(),
            Self::Cancelled => "nothing was left behind; run it again".to_owned(),
        })
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let Self::NoCommand { .. } = self else {
            return None;
        };
        Some([("kind".to_owned(), json!("command"))].into_iter().collect())
    }
}

/// Makes an error of an operation on a file.
pub(super) fn io_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> WorkspaceError {
    let path = path.into();
    move |source| WorkspaceError::Io { action, path, source }
}
