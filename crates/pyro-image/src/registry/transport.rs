//! HTTP as this crate wants it: what is followed, what is bounded, and what an answer means.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, Response, StatusCode, Url};
use rustls::crypto::{CryptoProvider, ring};

use super::RegistryError;
use super::RegistrySettings;
use super::endpoint::Endpoint;
use crate::reference::RegistryHost;

/// Redirects followed for one request.
const MOST_REDIRECTS: usize = 10;

/// Sets up the connections of a registry client.
pub(super) fn client(settings: &RegistrySettings) -> Result<Client, RegistryError> {
    let setup = |source: reqwest::Error| RegistryError::Setup {
        source: source.without_url(),
    };
    // Whoever chose a provider for this process before keeps it.
    if CryptoProvider::get_default().is_none() {
        drop(ring::default_provider().install_default());
    }
    let proxy = match &settings.https_proxy {
        Some(url) => Some(Proxy::https(url).map_err(setup)?),
        None => None,
    };
    let client = builder(settings, proxy.clone()).build().or_else(|error| {
        // Such a host can use loopback registries all the same; others cannot prove to it who they are.
        tracing::warn!(%error, "this host has no trusted certificates");
        builder(settings, proxy).tls_certs_only([]).build()
    });
    client.map_err(setup)
}

fn builder(settings: &RegistrySettings, proxy: Option<Proxy>) -> ClientBuilder {
    // Without a proxy of its own the builder would take the one of the environment.
    let builder = Client::builder()
        .no_proxy()
        .user_agent(concat!("pyro/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .redirect(Policy::custom(redirect));
    let except = settings.no_proxy.as_deref().and_then(NoProxy::from_string);
    match proxy {
        Some(proxy) => builder.proxy(proxy.no_proxy(except)),
        None => builder,
    }
}

/// Returns true if a request may go on to `url`: to TLS always, without TLS only from loopback to loopback.
pub(super) fn may_follow(from_loopback: bool, url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => from_loopback && is_loopback(url),
        _ => false,
    }
}

/// Translates a failure below HTTP. URLs are left out, because those of redirects carry signatures.
pub(super) fn failure(endpoint: &Endpoint, error: reqwest::Error) -> RegistryError {
    let registry = endpoint.host().to_string();
    let source = error.without_url();
    if source.is_redirect() {
        RegistryError::Redirect { registry, source }
    } else if source.is_connect() {
        RegistryError::Unreachable { registry, source }
    } else {
        RegistryError::Interrupted { registry, source }
    }
}

/// Makes an error of an answer that is no success. `selector` names the manifest that was asked for, if one was.
pub(super) fn check_status(
    endpoint: &Endpoint,
    response: &Response,
    selector: Option<&str>,
) -> Result<(), RegistryError> {
    let status = response.status();
    match (status, selector) {
        (StatusCode::OK | StatusCode::PARTIAL_CONTENT, _) => Ok(()),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Err(unauthorized(endpoint, status.as_u16())),
        (StatusCode::NOT_FOUND, Some(selector)) => Err(RegistryError::NotFound {
            registry: endpoint.host().to_string(),
            repository: endpoint.repository().to_owned(),
            selector: selector.to_owned(),
        }),
        _ => Err(RegistryError::Status {
            registry: endpoint.host().to_string(),
            repository: endpoint.repository().to_owned(),
            status: status.as_u16(),
            retry_after: retry_after(response),
        }),
    }
}

/// Makes the error of refused or missing credentials.
pub(super) fn unauthorized(endpoint: &Endpoint, status: u16) -> RegistryError {
    RegistryError::Unauthorized {
        registry: endpoint.host().to_string(),
        repository: endpoint.repository().to_owned(),
        status,
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn body(
    endpoint: &Endpoint,
    response: &mut Response,
    limit: u64,
) -> Result<Vec<u8>, RegistryError> {
    let too_large = || RegistryError::DocumentTooLarge {
        registry: endpoint.host().to_string(),
        repository: endpoint.repository().to_owned(),
        limit,
    };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(endpoint, error))? {
        body.extend_from_slice(&chunk);
        if u64::try_from(body.len()).is_ok_and(|length| length > limit) {
            return Err(too_large());
        }
    }
    Ok(body)
}

/// Reads the pause a registry asks for, if it is given in seconds. The other form, a date, is left aside.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[derive(Debug, thiserror::Error)]
enum RedirectRefused {
    #[error("more than {MOST_REDIRECTS} redirects")]
    TooMany,
    #[error("`{scheme}://{host}` is not behind TLS")]
    Insecure { scheme: String, host: String },
}

fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error(RedirectRefused::TooMany);
    }
    let from_loopback = attempt
        .previous()
        .iter()
        .all(|url| url.scheme() == "http" && is_loopback(url));
    if may_follow(from_loopback, attempt.url()) {
        return attempt.follow();
    }
    let scheme = attempt.url().scheme().to_owned();
    let host = attempt.url().host_str().unwrap_or_default().to_owned();
    attempt.error(RedirectRefused::Insecure { scheme, host })
}

fn is_loopback(url: &Url) -> bool {
    url.host_str()
        .and_then(RegistryHost::parse)
        .is_some_and(|host| host.is_loopback())
}
