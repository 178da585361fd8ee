//! Why an environment is not to be had.

use std::path::PathBuf;

use pyro_image::{BlobError, ImageErrorKind, ImportError, RegistryError, RootError};

use super::catalog;
use super::selector::{EnvironmentName, Selector};
use crate::argument::InvalidArgument;
use crate::error::{Diagnosis, ErrorCode};

/// What helps against most failures to write.
const CACHE_HINT: &str = "check space, owner and mode of the cache directory (PYRO_CACHE_DIR)";

/// An environment that cannot be found, fetched, built or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// Text that is no name.
    #[error("`{name}` is no name of an environment: it {problem}")]
    InvalidName {
        /// What was given, shortened.
        name: String,
        /// What is wrong with it, as in "is empty".
        problem: String,
    },
    /// An argument that cannot be used.
    #[error(transparent)]
    Argument(#[from] InvalidArgument),
    /// A name for something new that means something else already.
    #[error("`{name}` already means something of the catalog, a registry or this host")]
    TakenName {
        /// What was given, shortened.
        name: String,
    },
    /// A file of the caller's that cannot be opened.
    #[error("cannot read `{}`", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that nothing has.
    #[error("no environment `{name}`")]
    NotFound {
        /// The name.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// A registry did not deliver.
    #[error("cannot pull `{name}`")]
    Registry {
        /// The environment.
        name: String,
        /// Why.
        #[source]
        source: Box<RegistryError>,
    },
    /// Neither did the distribution's packages.
    #[error("cannot build `{name}` from packages: {problem}")]
    Build {
        /// The environment.
        name: String,
        /// What went wrong.
        problem: String,
        /// Why the registry did not deliver, if it was asked.
        registry: Option<String>,
    },
    /// A layout or archive cannot be imported.
    #[error("cannot import `{}`", path.display())]
    Import {
        /// The layout or archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ImportError>,
    },
    /// The layers of an image make no root file system.
    #[error("the image of `{name}` cannot be used")]
    Root {
        /// The environment.
        name: String,
        /// Why.
        #[source]
        source: Box<RootError>,
    },
    /// The store of blobs refused.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// An installed image is not what was installed.
    #[error("the root file system of `{name}` differs from its digest")]
    Corrupt {
        /// The environment.
        name: String,
    },
    /// A directory of the cache cannot be used.
    #[error(transparent)]
    Dir(#[from] crate::dirs::DirError),
    /// The host's file system refused.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried, as in "read".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Diagnosis for EnvironmentError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidName { .. } | Self::TakenName { .. } => ErrorCode::InvalidArgument,
            Self::Argument(error) => error.code(),
            Self::NotFound { .. } => ErrorCode::EnvironmentNotFound,
            Self::Registry { source, .. } => of_kind(source.kind()),
            Self::Build { .. } => ErrorCode::PullFailed,
            Self::Import { source, .. } => match of_kind(source.kind()) {
                // The file was named by the caller; the registry's words do not fit.
                ErrorCode::PullFailed | ErrorCode::EnvironmentNotFound => ErrorCode::HostIo,
                code => code,
            },
            Self::Root { source, .. } => match **source {
                RootError::Image(_) => ErrorCode::HostIo,
                RootError::Cancelled => ErrorCode::Cancelled,
                _ => ErrorCode::PullFailed,
            },
            Self::Blob(error) => of_kind(error.kind()),
            Self::Corrupt { .. } => ErrorCode::DigestMismatch,
            Self::Dir(error) => error.code(),
            Self::File { .. } | Self::Source { .. } => ErrorCode::HostIo,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::InvalidName { .. } => {
                "use a name of `pyro env list`, or an OCI reference such as `docker.io/library/python:3.12`".to_owned()
            }
            Self::Argument(error) => return error.hint(),
            Self::TakenName { .. } => "choose another with `--name`, such as `mine:1`".to_owned(),
            Self::Source { .. } => "check the path, and its owner and mode".to_owned(),
            Self::NotFound { name, near } => not_found_hint(name, near),
            Self::Registry { name, source } => registry_hint(name, source.kind()),
            Self::Build { registry: Some(registry), .. } => {
                format!("no registry delivered it either ({registry}); give pyro a way to one, or `pyro env import PATH`")
            }
            Self::Build { .. } => "check the host's package sources, or pass `--mirror URL`".to_owned(),
            // The archive is readable; what cannot be written is its copy.
            Self::Import { source, .. } if matches!(**source, ImportError::Blob(_)) => CACHE_HINT.to_owned(),
            Self::Import { .. } => "check the path, and that it is what its prefix says: `oci-layout:DIR`, `docker-archive:FILE`, or a tar of a root file system".to_owned(),
            Self::Root { .. } if self.code() == ErrorCode::PullFailed => {
                "the image is damaged or hostile; nothing of it was kept".to_owned()
            }
            Self::Corrupt { name } => match EnvironmentName::parse(name).map(|name| name.selector) {
                Ok(Selector::Plain) => format!("import it again: `pyro env import PATH --name {name}`"),
                _ => format!("`pyro env pull {name} --force`"),
            },
            Self::Dir(error) => return error.hint(),
            Self::Root { .. } | Self::Blob(_) | Self::File { .. } => CACHE_HINT.to_owned(),
        })
    }
}

fn of_kind(kind: ImageErrorKind) -> ErrorCode {
    match kind {
        ImageErrorKind::InvalidArgument => ErrorCode::InvalidArgument,
        ImageErrorKind::NotFound => ErrorCode::EnvironmentNotFound,
        ImageErrorKind::DigestMismatch => ErrorCode::DigestMismatch,
        ImageErrorKind::Unsupported => ErrorCode::Unsupported,
        ImageErrorKind::HostIo => ErrorCode::HostIo,
        ImageErrorKind::Cancelled => ErrorCode::Cancelled,
        _ => ErrorCode::PullFailed,
    }
}

fn registry_hint(name: &str, kind: ImageErrorKind) -> String {
    match kind {
        ImageErrorKind::Unauthorized => {
            format!("sign in (`docker login`), or `pyro env import PATH` instead of `{name}`")
        }
        ImageErrorKind::NotFound => "check the spelling of repository and tag".to_owned(),
        ImageErrorKind::DigestMismatch => {
            format!("the registry sent other content than announced; try `pyro env pull {name} --force`")
        }
        ImageErrorKind::HostIo => CACHE_HINT.to_owned(),
        ImageErrorKind::Unsupported => "pyro runs images for linux/amd64".to_owned(),
        ImageErrorKind::Invalid => "the image is damaged or hostile; nothing of it was kept".to_owned(),
        _ => {
            "check the network, HTTPS_PROXY and PYRO_REGISTRY_MIRROR, then run it again: what arrived is kept"
                .to_owned()
        }
    }
}

fn not_found_hint(name: &str, near: &[String]) -> String {
    let listed = catalog::ENTRIES
        .iter()
        .map(|entry| format!("`{}`", entry.name))
        .collect::<Vec<_>>()
        .join(", ");
    let repository = if name.contains('/') {
        name.to_owned()
    } else {
        format!("library/{name}")
    };
    let docker = format!("an image of Docker Hub is spelled `docker.io/{repository}`");
    match near.first() {
        Some(near) => format!("did you mean `{near}`? {docker}"),
        None => format!("the catalog has {listed}; {docker}"),
    }
}
