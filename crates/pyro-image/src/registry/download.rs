//! Layers: downloaded, continued after interruptions, verified while they arrive.

use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::time;

use super::endpoint::Endpoint;
use super::progress::{LayerTally, Tally};
use super::settings::Backoff;
use super::{Item, Registry, RegistryError, join, transport};
use crate::blob::{BlobError, BlobSink, BlobStore, Claim};
use crate::image::Layer;

/// What an attempt must bring so that failures before it no longer count.
const WORTHWHILE: u64 = 1024 * 1024;

impl Registry {
    /// Brings a layer into the store, from the first of `endpoints` that delivers it.
    pub(super) async fn fetch_layer<'a>(
        &self,
        endpoints: &[Endpoint],
        store: &BlobStore,
        layer: &'a Layer,
        tally: &'a Tally<'a>,
    ) -> Result<(), RegistryError> {
        let mut tally = tally.layer(layer);
        let mut earlier = None;
        for endpoint in endpoints {
            match self.fetch_from(endpoint, store, layer, &mut tally).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    tracing::warn!(registry = %endpoint.host(), layer = %layer.digest, %error, "layer not delivered");
                    earlier = Some(join(earlier, error));
                }
            }
        }
        Err(earlier.expect("a reference has an endpoint"))
    }

    /// Downloads at one registry. If content continued from an earlier attempt turns out wrong, that attempt may be
    /// to blame, so it is fetched once more from the start.
    async fn fetch_from(
        &self,
        endpoint: &Endpoint,
        store: &BlobStore,
        layer: &Layer,
        tally: &mut LayerTally<'_>,
    ) -> Result<(), RegistryError> {
        let failed = |source| RegistryError::Layer {
            digest: layer.digest,
            source,
        };
        loop {
            let partial = match store
                .claim(&layer.digest, layer.size_bytes)
                .await
                .map_err(failed)?
            {
                Claim::Present => break,
                Claim::Mine(partial) => partial,
            };
            let expected = (layer.digest, layer.size_bytes);
            let mut sink = BlobSink::start(store, partial, expected).await.map_err(failed)?;
            let continued = sink.offset() > 0;
            tally.set(sink.offset());
            self.transfer(endpoint, layer, &mut sink, tally).await?;
            match sink.finish().await {
                Ok(()) => break,
                Err(BlobError::DigestMismatch { .. }) if continued => {
                    tracing::warn!(layer = %layer.digest, "continued download was wrong, starting over");
                }
                Err(error) => return Err(failed(error)),
            }
        }
        tally.set(layer.size_bytes);
        Ok(())
    }

    /// Downloads what is missing, in as many attempts as it takes.
    async fn transfer(
        &self,
        endpoint: &Endpoint,
        layer: &Layer,
        sink: &mut BlobSink,
        tally: &mut LayerTally<'_>,
    ) -> Result<(), RegistryError> {
        let mut backoff = Backoff::new(self.settings.retry);
        while sink.offset() < layer.size_bytes {
            let before = sink.offset();
            let error = match self.attempt(endpoint, layer, sink, tally).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            if sink.offset().saturating_sub(before) >= WORTHWHILE {
                backoff.reset();
            }
            let Some(pause) = backoff.pause(error.retry_after()) else {
                return Err(error);
            };
            tracing::debug!(layer = %layer.digest, offset = sink.offset(), %error, ?pause, "continuing");
            time::sleep(pause).await;
        }
        Ok(())
    }

    /// Makes one request and takes what it brings.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        layer: &Layer,
        sink: &mut BlobSink,
        tally: &mut LayerTally<'_>,
    ) -> Result<(), RegistryError> {
        let failed = |source| RegistryError::Layer {
            digest: layer.digest,
            source,
        };
        let item = Item::Blob {
            digest: &layer.digest,
            offset: sink.offset(),
        };
        let outcome = self.request(endpoint, item).await;
        let mut response = match outcome {
            Err(error @ RegistryError::Status { status: 416, .. }) => {
                // The registry has less than is here already: nothing of it can be trusted.
                sink.restart().await.map_err(failed)?;
                return Err(error);
            }
            outcome => outcome?,
        };
        if sink.offset() > 0 && !continues_at(&response, sink.offset()) {
            sink.restart().await.map_err(failed)?;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(truncated(endpoint, layer, 0));
            }
        }
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| transport::failure(endpoint, error))?
        {
            sink.write(chunk).await.map_err(failed)?;
            tally.set(sink.offset());
        }
        if sink.offset() < layer.size_bytes {
            return Err(truncated(endpoint, layer, sink.offset()));
        }
        Ok(())
    }
}

fn truncated(endpoint: &Endpoint, layer: &Layer, received: u64) -> RegistryError {
    RegistryError::Truncated {
        registry: endpoint.host().to_string(),
        digest: layer.digest,
        received,
        announced: layer.size_bytes,
    }
}

/// Returns true if the answer begins at `offset`, and not at the start as it does where ranges are unknown.
fn continues_at(response: &Response, offset: u64) -> bool {
    let range = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    response.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}
