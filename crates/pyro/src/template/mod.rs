//! Templates: machines that were booted once and saved, from which others start in a fraction of the time.
//!
//! A template holds a guest's memory, the state of its devices and its freshly made disk, at the moment at which the
//! agent first waited for a command. It holds nothing of any caller's. Machines that are restored from it share its
//! memory file copy-on-write and get a sparse copy of its disk.

mod inputs;
mod prune;
mod store;

use std::path::PathBuf;

pub(crate) use self::inputs::TemplateInputs;
pub(crate) use self::prune::{Serving, leftovers, list, prune};
pub(crate) use self::store::{Draft, Maker, Template, TemplateStore};
use crate::dirs::DirError;
use crate::error::{Diagnosis, ErrorCode};

/// A template that cannot be kept, or not be found again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    /// A file of the store.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried, as in "open".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store's directory cannot be used.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The file system could not take the guest's memory.
    #[error("a template may need {needed} bytes, and {free} are free")]
    Full {
        /// What it may need.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// What identifies the host or the VMM cannot be read.
    #[error("the host cannot be told from others")]
    Host(#[source] std::io::Error),
    /// It was made, and then it was not there.
    #[error("the template was removed as soon as it was made")]
    Vanished,
}

impl Diagnosis for TemplateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::File { .. } | Self::Full { .. } | Self::Host(_) | Self::Vanished => ErrorCode::HostIo,
            Self::Dir(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => Some("check the owner and mode of its directory".to_owned()),
            Self::Dir(error) => error.hint(),
            Self::Host(_) | Self::Vanished => None,
            Self::Full { .. } => {
                Some("free some space, or name a place with more: PYRO_CACHE_DIR".to_owned())
            }
        }
    }
}
