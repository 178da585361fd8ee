//! Manifests, indexes and configurations as registries and archives carry them: hostile JSON, turned into an [`Image`].
//!
//! Only the fields that pyro uses are read, so that odd values elsewhere in a document do no harm. Everything here is
//! pure; whoever fetches the bytes verifies their digest first.

mod document;
mod error;
mod platform;
#[cfg(test)]
mod tests;

use serde::Deserialize;

pub(crate) use document::{Descriptor, Document, ImageManifest, MANIFEST_TYPES};
pub use error::ManifestError;
pub use platform::Platform;
pub(crate) use platform::select;

use crate::digest::{Digest, shorten};
use crate::image::{Image, ImageConfig, Layer, LayerMediaType};
use crate::reference::Reference;

/// Largest manifest, index or configuration that is read, in bytes: the limit registries have by convention.
pub(crate) const LARGEST_DOCUMENT: u64 = 4 * 1024 * 1024;
/// Most layers of an image.
pub(crate) const MOST_LAYERS: usize = 512;
/// Indexes within indexes that are followed.
pub(crate) const DEEPEST_INDEX: usize = 3;

/// The part of an image configuration that is read.
#[derive(Debug, Deserialize)]
struct ConfigDocument {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<RunConfig>,
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RunConfig {
    env: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// How an image is run, and the digests of its layers' tars, lowest first.
#[derive(Debug)]
pub(crate) struct ParsedConfig {
    pub(crate) config: ImageConfig,
    pub(crate) diff_ids: Vec<Digest>,
}

/// Reads an image configuration and checks that it is for linux/amd64.
pub(crate) fn parse_config(content: &[u8]) -> Result<ParsedConfig, ManifestError> {
    let document: ConfigDocument =
        serde_json::from_slice(content).map_err(|source| ManifestError::ConfigJson { source })?;
    let platform = Platform::new(&document.os, &document.architecture);
    if !platform.is_wanted() {
        return Err(ManifestError::Platform {
            available: vec![platform],
        });
    }
    let run = document.config.unwrap_or_default();
    let config = ImageConfig {
        env: run.env.unwrap_or_default(),
        user: run.user.unwrap_or_default(),
        working_dir: run.working_dir.unwrap_or_default(),
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
        architecture: document.architecture,
        os: document.os,
    };
    check_text(&config)?;
    let diff_ids = document.rootfs.diff_ids.unwrap_or_default();
    check_layer_count(diff_ids.len())?;
    Ok(ParsedConfig { config, diff_ids })
}

/// Joins a verified manifest and its verified configuration.
pub(crate) fn assemble(
    reference: Option<Reference>,
    manifest_digest: Digest,
    manifest: &ImageManifest,
    config: &[u8],
) -> Result<Image, ManifestError> {
    let ParsedConfig { config, diff_ids } = parse_config(config)?;
    if diff_ids.len() != manifest.layers.len() {
        return Err(ManifestError::LayersDiffer {
            layers: manifest.layers.len(),
            diff_ids: diff_ids.len(),
        });
    }
    let layers = manifest
        .layers
        .iter()
        .zip(diff_ids)
        .map(|(descriptor, diff_id)| layer(descriptor, diff_id))
        .collect::<Result<_, _>>()?;
    Ok(Image {
        reference,
        manifest_digest,
        config,
        layers,
    })
}

/// Refuses more layers than an image may have.
pub(crate) fn check_layer_count(count: usize) -> Result<(), ManifestError> {
    if count > MOST_LAYERS {
        Err(ManifestError::TooManyLayers {
            count,
            limit: MOST_LAYERS,
        })
    } else {
        Ok(())
    }
}

fn layer(descriptor: &Descriptor, diff_id: Digest) -> Result<Layer, ManifestError> {
    let media_type = LayerMediaType::from_name(&descriptor.media_type).ok_or_else(|| {
        let (digest, media_type) = (descriptor.digest, shorten(&descriptor.media_type));
        if is_foreign(&media_type) {
            ManifestError::ForeignLayer { digest, media_type }
        } else {
            ManifestError::LayerType { digest, media_type }
        }
    })?;
    Ok(Layer {
        digest: descriptor.digest,
        diff_id,
        size_bytes: descriptor.size,
        media_type,
    })
}

fn is_foreign(media_type: &str) -> bool {
    media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
}

fn check_text(config: &ImageConfig) -> Result<(), ManifestError> {
    let lists = [&config.env, &config.entrypoint, &config.cmd];
    let mut texts = lists
        .into_iter()
        .flatten()
        .chain([&config.user, &config.working_dir]);
    match texts.find(|text| text.contains('\0')) {
        Some(text) => Err(ManifestError::ZeroByte {
            value: shorten(&text.replace('\0', "␀")),
        }),
        None => Ok(()),
    }
}
