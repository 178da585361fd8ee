//! Why a registry did not deliver.

use std::time::Duration;

use super::CredentialError;
use crate::blob::BlobError;
use crate::digest::{Digest, DigestError};
use crate::kind::ImageErrorKind;
use crate::manifest::ManifestError;

/// Reports that an image could not be resolved or pulled.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The HTTP client cannot be set up, as with a malformed proxy.
    #[error("cannot set up connections to registries")]
    Setup {
        /// What is wrong.
        source: reqwest::Error,
    },
    /// The mirror is not a host with perhaps a prefix.
    #[error("`{mirror}` is not a registry mirror: give `host`, `host:port` or `host/prefix`")]
    MirrorSetting {
        /// The setting.
        mirror: String,
    },
    /// The mirror is to be spoken to without TLS and is not on this machine.
    #[error("registry mirror `{mirror}` is not on this machine and must be reached by https")]
    InsecureMirror {
        /// The mirror.
        mirror: String,
    },
    /// Credentials could not be read.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// No connection came about.
    #[error("cannot reach {registry}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// What failed.
        source: reqwest::Error,
    },
    /// The connection broke or fell silent.
    #[error("the connection to {registry} failed")]
    Interrupted {
        /// The registry.
        registry: String,
        /// What failed.
        source: reqwest::Error,
    },
    /// The registry pointed to a place that must not be followed to.
    #[error("{registry} redirects to a place that is not followed")]
    Redirect {
        /// The registry.
        registry: String,
        /// Which rule it broke.
        source: reqwest::Error,
    },
    /// The registry refuses the credentials, or wants some.
    #[error("{registry} answered {status} for `{repository}`")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The HTTP status.
        status: u16,
    },
    /// The registry asks for a kind of credentials that is not known.
    #[error("{registry} asks for credentials in an unknown way: `{challenge}`")]
    Challenge {
        /// The registry.
        registry: String,
        /// Its demand.
        challenge: String,
    },
    /// The registry wants credentials to be sent where others could read them.
    #[error("{registry} wants credentials to be sent to `{realm}`, which is not behind TLS")]
    InsecureRealm {
        /// The registry.
        registry: String,
        /// Where tokens are said to be issued.
        realm: String,
    },
    /// The token server's answer is not understood.
    #[error("the token server of {registry} gave no usable token")]
    Token {
        /// The registry.
        registry: String,
    },
    /// There is no such repository, tag or manifest.
    #[error("{registry} has no image `{repository}` with `{selector}`")]
    NotFound {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The tag or digest.
        selector: String,
    },
    /// The registry answered with an error.
    #[error("{registry} answered {status} for `{repository}`")]
    Status {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The HTTP status.
        status: u16,
        /// How long the registry wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A blob ended early.
    #[error("{registry} delivered {received} of {announced} bytes of {digest}")]
    Truncated {
        /// The registry.
        registry: String,
        /// The blob.
        digest: Digest,
        /// Bytes received over all attempts.
        received: u64,
        /// Bytes announced by the manifest.
        announced: u64,
    },
    /// The registry announces a content digest that cannot be used.
    #[error("{registry} announces an unusable content digest")]
    ContentDigest {
        /// The registry.
        registry: String,
        /// What is wrong with it.
        source: DigestError,
    },
    /// A manifest or configuration has another digest than announced.
    #[error("a document of `{repository}` at {registry} has the digest {found}, not {expected}")]
    DocumentDigest {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The digest announced.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// A manifest or configuration is larger than is allowed.
    #[error("a document of `{repository}` at {registry} is larger than {limit} bytes")]
    DocumentTooLarge {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The largest allowed size in bytes.
        limit: u64,
    },
    /// The manifest or configuration cannot be used.
    #[error("`{reference}` cannot be used")]
    Manifest {
        /// The image, in normal form.
        reference: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A layer could not be stored.
    #[error("cannot store layer {digest}")]
    Layer {
        /// The layer.
        digest: Digest,
        /// What failed.
        source: BlobError,
    },
    /// Neither the mirror nor docker.io delivered.
    #[error("neither the mirror ({mirror}) nor docker.io delivered")]
    MirrorAndOrigin {
        /// Why the mirror did not.
        mirror: Box<Self>,
        /// Why docker.io did not.
        source: Box<Self>,
    },
}

impl RegistryError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::Setup { .. } | Self::MirrorSetting { .. } | Self::InsecureMirror { .. } => {
                ImageErrorKind::InvalidArgument
            }
            Self::Credential(error) => error.kind(),
            Self::Unreachable { .. } => ImageErrorKind::Unreachable,
            Self::Unauthorized { .. } | Self::Challenge { .. } => ImageErrorKind::Unauthorized,
            Self::NotFound { .. } => ImageErrorKind::NotFound,
            Self::Interrupted { .. } | Self::Status { .. } | Self::Truncated { .. } => {
                ImageErrorKind::Unavailable
            }
            Self::DocumentDigest { .. } => ImageErrorKind::DigestMismatch,
            Self::Redirect { .. }
            | Self::InsecureRealm { .. }
            | Self::Token { .. }
            | Self::ContentDigest { .. }
            | Self::DocumentTooLarge { .. } => ImageErrorKind::Invalid,
            Self::Manifest { source, .. } => source.kind(),
            Self::Layer { source, .. } => source.kind(),
            Self::MirrorAndOrigin { mirror, source } => match source.kind() {
                // Behind a firewall the mirror is the one that could know.
                ImageErrorKind::Unreachable => mirror.kind(),
                kind => kind,
            },
        }
    }

    /// Returns true if another attempt may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Truncated { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 416 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Returns how long the registry wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns true if the host or the caller is the reason, so that no other registry would help.
    pub(super) fn is_local(&self) -> bool {
        let local = [ImageErrorKind::HostIo, ImageErrorKind::Cancelled];
        matches!(self, Self::Credential(_)) || local.contains(&self.kind())
    }
}
