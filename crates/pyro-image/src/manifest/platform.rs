//! Choosing the image for this platform out of an index.

use std::fmt;

use serde::Deserialize;

use super::{Descriptor, ManifestError};
use crate::digest::shorten;

/// Names an operating system and a processor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// The operating system, such as `linux`.
    pub os: String,
    /// The processor as Go names it, such as `amd64`.
    pub architecture: String,
    /// A level or revision of the processor, such as `v3`; empty if the base is meant.
    #[serde(default)]
    pub variant: String,
}

impl Platform {
    /// Names a platform without a variant.
    pub(crate) fn new(os: &str, architecture: &str) -> Self {
        Self {
            os: shorten(os),
            architecture: shorten(architecture),
            variant: String::new(),
        }
    }

    /// Returns true for linux/amd64, the one platform that pyro runs.
    pub(crate) fn is_wanted(&self) -> bool {
        self.os == "linux" && self.architecture == "amd64"
    }

    /// Returns true for the entries by which buildkit stores attestations.
    fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(formatter, "/{variant}"),
        }
    }
}

/// Picks the entry for linux/amd64, the lowest processor level first.
///
/// A lone entry that names no platform is taken too: its configuration is looked at later.
pub(crate) fn select(entries: &[Descriptor]) -> Result<&Descriptor, ManifestError> {
    if let [lone @ Descriptor { platform: None, .. }] = entries {
        return Ok(lone);
    }
    let named = || {
        entries
            .iter()
            .filter_map(|entry| Some((entry, entry.platform.as_ref()?)))
    };
    named()
        .filter(|(_, platform)| platform.is_wanted())
        .min_by_key(|(_, platform)| platform.variant.as_str())
        .map(|(entry, _)| entry)
        .ok_or_else(|| ManifestError::Platform {
            available: named()
                .filter(|(_, platform)| !platform.is_unknown())
                .map(|(_, it)| it.clone())
                .collect(),
        })
}
