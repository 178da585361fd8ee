//! From a reference to a manifest and a configuration.

use tokio::time;

use super::endpoint::Endpoint;
use super::settings::Backoff;
use super::{Item, Registry, RegistryError, transport};
use crate::digest::Digest;
use crate::image::Image;
use crate::manifest::{
    self, DEEPEST_INDEX, Descriptor, Document, ImageManifest, LARGEST_DOCUMENT, ManifestError,
};
use crate::reference::Reference;

/// The header by which registries say what they serve for a tag.
const CONTENT_DIGEST: &str = "docker-content-digest";

impl Registry {
    /// Reads manifest and configuration at one registry.
    pub(super) async fn resolve_from(
        &self,
        reference: &Reference,
        endpoint: &Endpoint,
    ) -> Result<Image, RegistryError> {
        let refused = |source| RegistryError::Manifest {
            reference: reference.to_string(),
            source,
        };
        let selector = reference.selector();
        let (digest, manifest) = self.manifest(endpoint, &selector, reference).await?;
        check_size(&manifest.config).map_err(refused)?;
        let item = Item::Blob {
            digest: &manifest.config.digest,
            offset: 0,
        };
        let (_, config) = self
            .document(endpoint, item, Some(manifest.config.digest))
            .await?;
        manifest::assemble(Some(reference.clone()), digest, &manifest, &config).map_err(refused)
    }

    /// Reads a manifest, following indexes to the one for this platform.
    async fn manifest(
        &self,
        endpoint: &Endpoint,
        selector: &str,
        reference: &Reference,
    ) -> Result<(Digest, ImageManifest), RegistryError> {
        let refused = |source| RegistryError::Manifest {
            reference: reference.to_string(),
            source,
        };
        let mut selector = selector.to_owned();
        let mut expected = reference.digest().copied();
        for _ in 0..=DEEPEST_INDEX {
            let item = Item::Manifest { selector: &selector };
            let (digest, content) = self.document(endpoint, item, expected).await?;
            match Document::parse(&content).map_err(refused)? {
                Document::Manifest(manifest) => return Ok((digest, manifest)),
                Document::Index(entries) => {
                    let entry = manifest::select(&entries).map_err(refused)?;
                    check_size(entry).map_err(refused)?;
                    selector = entry.digest.to_string();
                    expected = Some(entry.digest);
                }
            }
        }
        Err(refused(ManifestError::TooDeep { limit: DEEPEST_INDEX }))
    }

    /// Reads a document of bounded size, again after failures that may pass, and verifies its digest.
    ///
    /// A registry that cannot even be reached is not asked again: the user waits for the first sign of life.
    async fn document(
        &self,
        endpoint: &Endpoint,
        item: Item<'_>,
        expected: Option<Digest>,
    ) -> Result<(Digest, Vec<u8>), RegistryError> {
        let mut backoff = Backoff::new(self.settings.retry);
        loop {
            let error = match self.document_once(endpoint, item, expected).await {
                Err(error) if error.is_transient() && !matches!(error, RegistryError::Unreachable { .. }) => {
                    error
                }
                outcome => return outcome,
            };
            let Some(pause) = backoff.pause(error.retry_after()) else {
                return Err(error);
            };
            tracing::debug!(registry = %endpoint.host(), %error, ?pause, "asking again");
            time::sleep(pause).await;
        }
    }

    async fn document_once(
        &self,
        endpoint: &Endpoint,
        item: Item<'_>,
        expected: Option<Digest>,
    ) -> Result<(Digest, Vec<u8>), RegistryError> {
        let mut response = self.request(endpoint, item).await?;
        let announced = match response
            .headers()
            .get(CONTENT_DIGEST)
            .and_then(|value| value.to_str().ok())
        {
            Some(text) if expected.is_none() => {
                Some(text.parse().map_err(|source| RegistryError::ContentDigest {
                    registry: endpoint.host().to_string(),
                    source,
                })?)
            }
            _ => None,
        };
        let content = transport::body(endpoint, &mut response, LARGEST_DOCUMENT).await?;
        let found = Digest::of(&content);
        match expected.or(announced) {
            Some(expected) if expected != found => Err(RegistryError::DocumentDigest {
                registry: endpoint.host().to_string(),
                repository: endpoint.repository().to_owned(),
                expected,
                found,
            }),
            _ => Ok((found, content)),
        }
    }
}

fn check_size(descriptor: &Descriptor) -> Result<(), ManifestError> {
    let Descriptor { digest, size, .. } = *descriptor;
    if size > LARGEST_DOCUMENT {
        return Err(ManifestError::TooLarge {
            digest,
            size,
            limit: LARGEST_DOCUMENT,
        });
    }
    Ok(())
}
