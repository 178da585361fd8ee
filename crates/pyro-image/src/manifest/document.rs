//! The JSON of manifests and indexes, OCI's and docker's alike.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ManifestError, Platform, check_layer_count};
use crate::digest::{Digest, shorten};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPES: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// What a registry is asked for, best first.
pub(crate) const MANIFEST_TYPES: [&str; 4] = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST];

/// Points to content by digest and size.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// A manifest: where the configuration and the layers of one image are.
#[derive(Debug)]
pub(crate) struct ImageManifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// What a registry may answer to the question for a manifest.
#[derive(Debug)]
pub(crate) enum Document {
    Index(Vec<Descriptor>),
    Manifest(ImageManifest),
}

/// The union of all document types, to tell them apart by what they hold.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyDocument {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

impl Document {
    /// Reads a manifest or index.
    ///
    /// A document that is both, or whose `mediaType` says another thing than its content, is refused: two readers
    /// could take it for two different images (CVE-2021-41190).
    pub(crate) fn parse(content: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            #[serde(default)]
            schema_version: u32,
        }
        let json = |source| ManifestError::Json { source };
        let version: Version = serde_json::from_slice(content).map_err(json)?;
        match version.schema_version {
            1 => return Err(ManifestError::Schema1),
            2 => {}
            version => return Err(ManifestError::SchemaVersion { version }),
        }
        let document: AnyDocument = serde_json::from_slice(content).map_err(json)?;
        document.classify()
    }
}

impl AnyDocument {
    fn classify(self) -> Result<Document, ManifestError> {
        debug_assert_eq!(self.schema_version, 2, "the caller has looked at the version");
        let media_type = self.media_type.as_deref();
        match (self.manifests, self.config, self.layers) {
            (Some(entries), None, None) => {
                check_media_type(media_type, [OCI_INDEX, DOCKER_INDEX])?;
                Ok(Document::Index(entries))
            }
            (None, Some(config), Some(layers)) => {
                check_media_type(media_type, [OCI_MANIFEST, DOCKER_MANIFEST])?;
                check_layer_count(layers.len())?;
                check_config_type(&config)?;
                Ok(Document::Manifest(ImageManifest { config, layers }))
            }
            _ => Err(ManifestError::Ambiguous),
        }
    }
}

fn check_media_type(found: Option<&str>, allowed: [&str; 2]) -> Result<(), ManifestError> {
    match found {
        Some(media_type) if !allowed.contains(&media_type) => Err(ManifestError::MediaType {
            media_type: shorten(media_type),
        }),
        _ => Ok(()),
    }
}

/// Refuses artifacts (charts, signatures, models) that are stored like images.
fn check_config_type(config: &Descriptor) -> Result<(), ManifestError> {
    if CONFIG_TYPES.contains(&config.media_type.as_str()) {
        Ok(())
    } else {
        Err(ManifestError::NotAnImage {
            media_type: shorten(&config.media_type),
        })
    }
}
