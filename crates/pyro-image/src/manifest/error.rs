//! Why a manifest or configuration is refused.

use std::fmt;

use super::Platform;
use crate::digest::Digest;
use crate::kind::ImageErrorKind;

/// Reports a manifest, index or configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The manifest or index is not JSON of the expected form.
    #[error("the manifest is not readable")]
    Json {
        /// Where the reader gave up.
        source: serde_json::Error,
    },
    /// The configuration is not JSON of the expected form.
    #[error("the image configuration is not readable")]
    ConfigJson {
        /// Where the reader gave up.
        source: serde_json::Error,
    },
    /// A text of the configuration has a zero byte, which no process can be given.
    #[error("`{value}` in the image configuration has a zero byte")]
    ZeroByte {
        /// The text, shortened.
        value: String,
    },
    /// The manifest is of docker's retired schema 1.
    #[error("the manifest is of docker's retired schema 1")]
    Schema1,
    /// The manifest has an unknown version.
    #[error("the manifest is of unknown schema version {version}")]
    SchemaVersion {
        /// The version found.
        version: u32,
    },
    /// The document is neither clearly a manifest nor clearly an index.
    #[error("the document is neither an image manifest nor an image index, or claims to be both")]
    Ambiguous,
    /// The `mediaType` of the document contradicts its content.
    #[error("the document's media type `{media_type}` does not fit its content")]
    MediaType {
        /// The media type found.
        media_type: String,
    },
    /// The manifest describes something else than a container image.
    #[error("this is not a container image but an artifact of type `{media_type}`")]
    NotAnImage {
        /// The media type of the configuration.
        media_type: String,
    },
    /// A layer is of a type that cannot be applied.
    #[error("layer {digest} has the unsupported type `{media_type}`")]
    LayerType {
        /// The layer.
        digest: Digest,
        /// Its media type.
        media_type: String,
    },
    /// A layer must not be distributed and would have to be fetched from elsewhere.
    #[error("layer {digest} is not distributable (`{media_type}`) and cannot be pulled from a registry")]
    ForeignLayer {
        /// The layer.
        digest: Digest,
        /// Its media type.
        media_type: String,
    },
    /// The image has more layers than is allowed.
    #[error("the image has {count} layers, limit {limit}")]
    TooManyLayers {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Manifest and configuration disagree.
    #[error("the manifest lists {layers} layers, the image configuration {diff_ids}")]
    LayersDiffer {
        /// Layers of the manifest.
        layers: usize,
        /// Layers of the configuration.
        diff_ids: usize,
    },
    /// The document is larger than is allowed.
    #[error("{digest} has {size} bytes, limit {limit} for a manifest or configuration")]
    TooLarge {
        /// The document.
        digest: Digest,
        /// Its announced size in bytes.
        size: u64,
        /// The largest allowed size in bytes.
        limit: u64,
    },
    /// Indexes lie within indexes too deep.
    #[error("image indexes are nested more than {limit} deep")]
    TooDeep {
        /// How deep they may be nested.
        limit: usize,
    },
    /// There is no image for linux/amd64.
    #[error("there is no image for linux/amd64, only for {}", List(available))]
    Platform {
        /// The platforms there are images for.
        available: Vec<Platform>,
    },
}

impl ManifestError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::Json { .. }
            | Self::ConfigJson { .. }
            | Self::ZeroByte { .. }
            | Self::SchemaVersion { .. }
            | Self::Ambiguous
            | Self::MediaType { .. }
            | Self::TooManyLayers { .. }
            | Self::LayersDiffer { .. }
            | Self::TooLarge { .. }
            | Self::TooDeep { .. } => ImageErrorKind::Invalid,
            Self::Schema1
            | Self::NotAnImage { .. }
            | Self::LayerType { .. }
            | Self::ForeignLayer { .. }
            | Self::Platform { .. } => ImageErrorKind::Unsupported,
        }
    }
}

/// Writes platforms with commas between them.
struct List<'a>(&'a [Platform]);

impl fmt::Display for List<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 20;
        if self.0.is_empty() {
            return formatter.write_str("none that is named");
        }
        for (index, platform) in self.0.iter().take(MOST).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{platform}")?;
        }
        if self.0.len() > MOST {
            formatter.write_str(", …")
        } else {
            Ok(())
        }
    }
}
