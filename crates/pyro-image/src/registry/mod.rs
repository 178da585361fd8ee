//! From a reference to verified blobs: the client side of the OCI distribution specification.
//!
//! It is written on `reqwest` instead of a registry client library, because the ones at hand read bodies of any size
//! into memory, hide the status and `Retry-After` of answers, panic on a hostile token, send passwords to token
//! servers without TLS, and take proxies from the environment.

mod auth;
mod credential;
mod download;
mod endpoint;
mod error;
mod helper;
mod progress;
mod resolve;
mod settings;
mod transport;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{ACCEPT, RANGE};
use reqwest::{Client, Response, StatusCode, Url};

use self::auth::Authenticator;
use self::endpoint::{Endpoint, Mirror};
use self::progress::Tally;
use crate::blob::BlobStore;
use crate::image::Image;
use crate::manifest::MANIFEST_TYPES;
use crate::reference::Reference;

pub use credential::CredentialError;
pub use error::RegistryError;
pub use progress::PullProgress;
pub use settings::{RegistrySettings, RetryPolicy};

/// Layers of one image that are downloaded at once.
const PARALLEL_LAYERS: usize = 3;

/// Pulls images from registries.
///
/// It keeps connections and tokens for as long as it lives. Its futures may be dropped at any time: a download that
/// is cut off that way is continued by the next pull.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    authenticator: Authenticator,
    mirror: Option<Mirror>,
    settings: RegistrySettings,
}

impl Registry {
    /// Prepares for pulls. No connection is made yet.
    ///
    /// # Errors
    /// [`RegistryError::Setup`] for a malformed proxy, [`RegistryError::MirrorSetting`] or
    /// [`RegistryError::InsecureMirror`] for a mirror that cannot be used.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        Ok(Self {
            client: transport::client(&settings)?,
            authenticator: Authenticator::new(settings.docker_config_dir.clone()),
            mirror: settings.mirror.as_deref().map(Mirror::parse).transpose()?,
            settings,
        })
    }

    /// Reads manifest and configuration of `reference` for linux/amd64, without its layers.
    ///
    /// # Errors
    /// [`RegistryError`]; its kind is `NotFound` if the registry has no such image.
    pub async fn resolve(&self, reference: &Reference) -> Result<Image, RegistryError> {
        let endpoints = Endpoint::all_for(reference, self.mirror.as_ref());
        let (image, _) = self.resolve_at(reference, &endpoints).await?;
        Ok(image)
    }

    /// Brings all layers of `reference` for linux/amd64 into `store`. What is there already is not fetched again,
    /// and what another process is fetching is waited for.
    ///
    /// `progress` is called for each piece that arrives, some ten KiB in size, and must be quick.
    ///
    /// # Errors
    /// [`RegistryError`]. Except after a digest mismatch, the next attempt goes on where this one ended.
    pub async fn pull(
        &self,
        reference: &Reference,
        store: &BlobStore,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Image, RegistryError> {
        let endpoints = Endpoint::all_for(reference, self.mirror.as_ref());
        let (image, first) = self.resolve_at(reference, &endpoints).await?;
        let tally = Tally::new(&image, progress);
        let mut downloads = Vec::new();
        for layer in tally.layers() {
            downloads.push(self.fetch_layer(&endpoints[first..], store, layer, &tally));
        }
        stream::iter(downloads)
            .buffer_unordered(PARALLEL_LAYERS)
            .try_collect::<()>()
            .await?;
        Ok(image)
    }

    /// Resolves at the first of `endpoints` that knows the image, and returns which one that was.
    async fn resolve_at(
        &self,
        reference: &Reference,
        endpoints: &[Endpoint],
    ) -> Result<(Image, usize), RegistryError> {
        let mut earlier: Option<RegistryError> = None;
        for (index, endpoint) in endpoints.iter().enumerate() {
            match self.resolve_from(reference, endpoint).await {
                Ok(image) => return Ok((image, index)),
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    tracing::debug!(registry = %endpoint.host(), %reference, %error, "cannot resolve");
                    earlier = Some(join(earlier, error));
                }
            }
        }
        Err(earlier.expect("a reference has an endpoint"))
    }

    /// Asks for a manifest or blob, signing in when the registry demands it.
    async fn request(&self, endpoint: &Endpoint, item: Item<'_>) -> Result<Response, RegistryError> {
        let response = self.send(endpoint, &item).await?;
        let response = if response.status() == StatusCode::UNAUTHORIZED {
            self.authenticator
                .answer(&self.client, endpoint, response.headers())
                .await?;
            self.send(endpoint, &item).await?
        } else {
            response
        };
        let selector = match item {
            Item::Manifest { selector } => Some(selector),
            Item::Blob { .. } => None,
        };
        transport::check_status(endpoint, &response, selector)?;
        Ok(response)
    }

    async fn send(&self, endpoint: &Endpoint, item: &Item<'_>) -> Result<Response, RegistryError> {
        let mut request = self.client.get(item.url(endpoint));
        match item {
            Item::Manifest { .. } => request = request.header(ACCEPT, MANIFEST_TYPES.join(", ")),
            Item::Blob { offset: 0, .. } => {}
            Item::Blob { offset, .. } => request = request.header(RANGE, format!("bytes={offset}-")),
        }
        let request = self.authenticator.apply(request, endpoint);
        request
            .send()
            .await
            .map_err(|error| transport::failure(endpoint, error))
    }
}

/// What a repository is asked for.
#[derive(Clone, Copy, Debug)]
enum Item<'a> {
    /// A manifest or index, by tag or digest.
    Manifest { selector: &'a str },
    /// A blob from `offset` on.
    Blob {
        digest: &'a crate::digest::Digest,
        offset: u64,
    },
}

impl Item<'_> {
    fn url(&self, endpoint: &Endpoint) -> Url {
        match self {
            Self::Manifest { selector } => endpoint.manifest(selector),
            Self::Blob { digest, .. } => endpoint.blob(digest),
        }
    }
}

/// Joins the failures of a mirror and of the registry it stands for.
fn join(mirror: Option<RegistryError>, error: RegistryError) -> RegistryError {
    match mirror {
        Some(mirror) => RegistryError::MirrorAndOrigin {
            mirror: Box::new(mirror),
            source: Box::new(error),
        },
        None => error,
    }
}
