//! Why something cannot be put on the host.

use std::io;
use std::path::{Path, PathBuf};

use crate::dirs::quoted;
use crate::error::{Diagnosis, ErrorCode};
use crate::object::ArtifactType;
use crate::tree_path::TreePath;

/// An output that cannot be made; nothing of it remains, and what was there before is whole.
#[derive(Debug, thiserror::Error)]
pub(in crate::workspace) enum UnpackError {
    /// The target is there, and was not to be replaced.
    #[error("`{}` exists", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The target is no name in a directory: `..`, `/`, or nothing.
    #[error("`{}` does not end with the name of a file", path.display())]
    NoName {
        /// What was given.
        path: PathBuf,
    },
    /// The directory that the target is to be in is not there.
    #[error("no directory `{}`", path.display())]
    NoParent {
        /// The directory.
        path: PathBuf,
    },
    /// The target is in no directory that is allowed.
    #[error("`{}` is not allowed", path.display())]
    Outside {
        /// The target.
        path: PathBuf,
    },
    /// Tools of the host would run what is exported, with nobody asking.
    #[error("`{}` is not allowed: tools of the host run what is in `{name}` by themselves", path.display())]
    Autorun {
        /// The target.
        path: PathBuf,
        /// What they run.
        name: &'static str,
    },
    /// The host's file system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted, as in "create".
        action: &'static str,
        /// On what, in terms of the target.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The guest sent what no agent would send.
    #[error("the guest sends `{path}`, which {problem}")]
    Garbage {
        /// The path that it sent.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The guest sends more than a workspace of its size holds.
    #[error("the guest sends more than {limit} {unit}")]
    TooMuch {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// What was asked for cannot be brought out.
    #[error("`{path}` is a {}", kind.as_str())]
    SpecialFile {
        /// The path in the guest.
        path: String,
        /// What is there.
        kind: ArtifactType,
    },
    /// Whoever asked for it went away.
    #[error("the export was cancelled")]
    Cancelled,
}

impl UnpackError {
    /// Names what was asked for, of which the guest sends the parts alone.
    pub(in crate::workspace) fn about(self, asked: &TreePath) -> Self {
        match self {
            Self::SpecialFile { kind, .. } => Self::SpecialFile {
                path: asked.to_string(),
                kind,
            },
            other => other,
        }
    }

    /// Tools of the host would run what is exported.
    pub(super) fn autorun(path: &Path, name: &'static str) -> Self {
        let path = path.to_path_buf();
        Self::Autorun { path, name }
    }

    /// The guest sent a path that it must not send.
    pub(super) fn garbage(path: &[u8], problem: &'static str) -> Self {
        let path = crate::argument::excerpt(&String::from_utf8_lossy(path));
        Self::Garbage { path, problem }
    }

    /// Makes an error of an operation on a path of the host.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }
}

impl Diagnosis for UnpackError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Exists { .. } => ErrorCode::OutputExists,
            Self::Outside { .. } | Self::Autorun { .. } => ErrorCode::HostPathDenied,
            Self::NoName { .. } => ErrorCode::InvalidArgument,
            Self::NoParent { .. } | Self::Io { .. } => ErrorCode::HostIo,
            Self::Garbage { .. } => ErrorCode::GuestLost,
            Self::TooMuch { .. } => ErrorCode::InsufficientResources,
            Self::SpecialFile { .. } => ErrorCode::WrongFileType,
            Self::Cancelled => ErrorCode::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists { .. } => "add `--force`".to_owned(),
            Self::Outside { .. } => "name a path in a directory that is allowed".to_owned(),
            Self::Autorun { .. } => {
                "export to a directory that is not there yet, or to another name; the server can be started with \
                 `--allow-autorun-paths`"
                    .to_owned()
            }
            Self::NoName { .. } => "name a file or a directory that is to be made".to_owned(),
            Self::NoParent { path } => format!("make it first: `mkdir -p {}`", quoted(path)),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space and try again; nothing was changed".to_owned()
            }
            Self::Io { path, .. } => {
                let dir = path.parent().unwrap_or(path);
                format!("check owner and mode: `ls -ld {}`", quoted(dir))
            }
            Self::Garbage { .. } => {
                "nothing was written; stop and start the workspace, and try again".to_owned()
            }
            Self::TooMuch { .. } => "export a part of it".to_owned(),
            Self::SpecialFile { .. } => "export the directory that it is in, or other files".to_owned(),
            Self::Cancelled => "nothing was written; run it again".to_owned(),
        })
    }
}
