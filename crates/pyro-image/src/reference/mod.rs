//! Names of images in registries, as docker and the OCI distribution specification spell them.
//!
//! The grammar is that of the `reference` package of github.com/distribution, which also knows literal IPv6
//! addresses; the parsers at hand do not, and give no reason for a refusal.

mod host;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use host::RegistryHost;
pub use parse::ReferenceError;

use crate::digest::Digest;

/// The registry meant when a reference names none.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// Names an image: a repository of a registry with a tag, a digest or both.
///
/// It keeps what the user wrote beside the normal form. Every part has been checked against the grammar, so that
/// none can leave the place it is put into in a URL or path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    given: String,
    registry: RegistryHost,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Returns the text this reference was parsed from.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Returns the registry, `docker.io` if none was written.
    pub fn registry(&self) -> &RegistryHost {
        &self.registry
    }

    /// Returns the repository, with the `library/` that docker.io's own images have.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag: `latest` if neither tag nor digest was written, none if only a digest was.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest of the manifest, if one was written. It decides over the tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns the same image pinned to the manifest `digest`.
    pub fn with_digest(&self, digest: Digest) -> Self {
        let mut pinned = Self {
            digest: Some(digest),
            ..self.clone()
        };
        pinned.given = pinned.to_string();
        pinned
    }

    /// Returns what selects the manifest within the repository: the digest, else the tag.
    pub(crate) fn selector(&self) -> String {
        match &self.digest {
            Some(digest) => digest.to_string(),
            None => self
                .tag
                .clone()
                .expect("a reference without a digest was parsed to one with a tag"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.given
    }
}
