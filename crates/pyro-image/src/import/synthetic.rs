//! Manifests for images that come without one, so that they have an identity all the same.

use serde_json::json;

use crate::digest::Digest;
use crate::image::{Image, Layer};
use crate::manifest::{self, ManifestError, ParsedConfig};

/// Returns the digest of the OCI manifest that joins `config` and `layers`. It depends on nothing else.
pub(super) fn manifest_digest(config: &[u8], layers: &[Layer]) -> Digest {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            json!({
                "mediaType": layer.media_type.name(),
                "digest": layer.digest,
                "size": layer.size_bytes,
            })
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(config),
            "size": config.len(),
        },
        "layers": layers,
    });
    Digest::of(manifest.to_string().as_bytes())
}

/// Makes an image of a root file system alone.
pub(super) fn rootfs(layer: &Layer) -> Result<Image, ManifestError> {
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    })
    .to_string();
    let ParsedConfig { config: run, .. } = manifest::parse_config(config.as_bytes())?;
    let layers = vec![layer.clone()];
    let manifest_digest = manifest_digest(config.as_bytes(), &layers);
    Ok(Image {
        reference: None,
        manifest_digest,
        config: run,
        layers,
    })
}
