//! Why there is no clone.

use std::path::PathBuf;

use crate::error::{Diagnosis, ErrorCode};

/// Why there is no clone.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepositoryError {
    /// Git is not there.
    #[error("`git` is not installed, and is needed to clone `{url}`")]
    NoGit { url: String },
    /// Git cannot be started.
    #[error("cannot start `git`")]
    Start { source: std::io::Error },
    /// The repository did not come.
    #[error("cannot clone `{url}`: {said}")]
    Clone { url: String, said: String },
    /// It came, and lacks what was wanted of it.
    #[error("cannot check out `{reference}` of `{url}`: {said}")]
    CheckOut {
        url: String,
        reference: String,
        said: String,
    },
    /// There is no place for it.
    #[error("cannot use `{}`", path.display())]
    Place { path: PathBuf, source: std::io::Error },
}

impl Diagnosis for RepositoryError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoGit { .. } | Self::Start { .. } | Self::Place { .. } => ErrorCode::HostIo,
            Self::Clone { .. } | Self::CheckOut { .. } => ErrorCode::PullFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoGit { .. } => "install it: `apt-get install git`",
            Self::Clone { .. } => {
                "check the address, and that `git clone` of it asks for nothing on this host: credentials are taken \
                 from Git's own configuration there"
            }
            Self::CheckOut { .. } => "name a branch, a tag or a commit that the repository has",
            Self::Start { .. } | Self::Place { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
