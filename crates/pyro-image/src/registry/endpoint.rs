//! Where the repository of an image is served.

use reqwest::Url;

use super::RegistryError;
use crate::digest::Digest;
use crate::reference::{DOCKER_HUB, Reference, RegistryHost};

/// The host that serves the API of docker.io.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A repository at one registry.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    host: RegistryHost,
    repository: String,
}

impl Endpoint {
    /// Returns the places to ask for `reference`, in order: the mirror if it is docker.io's, then the registry itself.
    pub(super) fn all_for(reference: &Reference, mirror: Option<&Mirror>) -> Vec<Self> {
        let hub = reference.registry().name() == DOCKER_HUB && reference.registry().port().is_none();
        let host = if hub {
            RegistryHost::parse(DOCKER_HUB_API).expect("a constant host name is well formed")
        } else {
            reference.registry().clone()
        };
        let origin = Self {
            host,
            repository: reference.repository().to_owned(),
        };
        let first = mirror.filter(|_| hub).map(|mirror| Self {
            host: mirror.host.clone(),
            repository: match &mirror.prefix {
                Some(prefix) => format!("{prefix}/{}", reference.repository()),
                None => reference.repository().to_owned(),
            },
        });
        first.into_iter().chain([origin]).collect()
    }

    /// Returns the registry.
    pub(super) fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// Returns the repository as this registry names it.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns true if this is docker.io itself.
    pub(super) fn is_docker_hub(&self) -> bool {
        self.host.name() == DOCKER_HUB_API
    }

    /// Returns the URL of a manifest by tag or digest.
    pub(super) fn manifest(&self, selector: &str) -> Url {
        self.url("manifests", selector)
    }

    /// Returns the URL of a blob.
    pub(super) fn blob(&self, digest: &Digest) -> Url {
        self.url("blobs", &digest.to_string())
    }

    fn url(&self, collection: &str, item: &str) -> Url {
        let scheme = if self.host.is_loopback() && self.host.port() != Some(443) {
            "http"
        } else {
            "https"
        };
        let url = format!(
            "{scheme}://{}/v2/{}/{collection}/{item}",
            self.host, self.repository
        );
        Url::parse(&url).expect("the parts of a reference are parts of a URL")
    }
}

/// The registry asked first for docker.io images.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    host: RegistryHost,
    prefix: Option<String>,
}

impl Mirror {
    /// Reads the setting. The prefix names the project of a registry that proxies several others.
    pub(super) fn parse(setting: &str) -> Result<Self, RegistryError> {
        let malformed = || RegistryError::MirrorSetting {
            mirror: setting.to_owned(),
        };
        let (plain, rest) = match setting.split_once("://") {
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            Some(_) => return Err(malformed()),
            None => (false, setting),
        };
        let rest = rest.trim_end_matches('/');
        let (host, prefix) = match rest.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix.to_owned())),
            None => (rest, None),
        };
        let host = RegistryHost::parse(host).ok_or_else(malformed)?;
        if plain && !host.is_loopback() {
            return Err(RegistryError::InsecureMirror {
                mirror: host.to_string(),
            });
        }
        // What may stand before a repository is itself a repository.
        let is_sound = |prefix: &String| {
            format!("localhost/{prefix}")
                .parse::<Reference>()
                .is_ok_and(|it| it.repository() == prefix)
        };
        match &prefix {
            Some(prefix) if !is_sound(prefix) => Err(malformed()),
            _ => Ok(Self { host, prefix }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(reference: &str, mirror: Option<&str>) -> Vec<String> {
        let mirror = mirror.map(|it| Mirror::parse(it).unwrap());
        let reference: Reference = reference.parse().unwrap();
        let endpoints = Endpoint::all_for(&reference, mirror.as_ref());
        endpoints
            .iter()
            .map(|it| it.manifest(&reference.selector()).to_string())
            .collect()
    }

    #[test]
    fn docker_hub_has_another_host_and_perhaps_a_mirror() {
        let hub = "https://registry-1.docker.io/v2/library/debian/manifests/12";
        assert_eq!(urls("debian:12", None), [hub]);
        assert_eq!(
            urls("debian:12", Some("https://m.example/hub/")),
            ["https://m.example/v2/hub/library/debian/manifests/12", hub]
        );
        assert_eq!(
            urls("ghcr.io/a/b:1", Some("m.example")),
            ["https://ghcr.io/v2/a/b/manifests/1"]
        );
    }

    #[test]
    fn only_loopback_is_spoken_to_without_tls() {
        assert_eq!(
            urls("localhost:5000/a:1", None),
            ["http://localhost:5000/v2/a/manifests/1"]
        );
        assert_eq!(
            urls("[::1]:5000/a:1", None),
            ["http://[::1]:5000/v2/a/manifests/1"]
        );
        assert_eq!(
            urls("10.0.0.1:5000/a:1", None),
            ["https://10.0.0.1:5000/v2/a/manifests/1"]
        );
        let error = Mirror::parse("http://m.example").unwrap_err();
        assert!(matches!(error, RegistryError::InsecureMirror { .. }));
    }

    #[test]
    fn a_malformed_mirror_is_refused() {
        for setting in [
            "",
            "ftp://a",
            "a b",
            "a/../b",
            "a/b?c",
            "user:pw@host",
            "a/b:c",
            "a/b@c",
        ] {
            assert!(Mirror::parse(setting).is_err(), "{setting}");
        }
    }
}
