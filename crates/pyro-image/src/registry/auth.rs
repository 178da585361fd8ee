//! How a registry is told who asks: the answer to `WWW-Authenticate`.
//!
//! Bearer tokens are fetched as <https://distribution.github.io/distribution/spec/auth/token/> says, identity tokens
//! are exchanged as in its OAuth 2 companion.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;

use super::RegistryError;
use super::credential::{self, Credential, Secret};
use super::endpoint::Endpoint;
use super::transport;
use crate::digest::shorten;
use crate::reference::RegistryHost;

/// Largest answer of a token server, in bytes.
const LARGEST_TOKEN: u64 = 1024 * 1024;
/// How this client names itself to token servers.
const CLIENT_ID: &str = "pyro";

/// Keeps, for the life of a client, what registries have accepted.
#[derive(Debug)]
pub(super) struct Authenticator {
    docker_config_dir: Option<PathBuf>,
    accepted: Mutex<HashMap<(RegistryHost, String), HeaderValue>>,
}

/// What a registry demands.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    access_token: Option<Secret>,
}

impl Authenticator {
    /// Starts without any token.
    pub(super) fn new(docker_config_dir: Option<PathBuf>) -> Self {
        Self {
            docker_config_dir,
            accepted: Mutex::default(),
        }
    }

    /// Adds what the repository accepted before.
    pub(super) fn apply(&self, request: RequestBuilder, endpoint: &Endpoint) -> RequestBuilder {
        let accepted = self
            .accepted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match accepted.get(&key(endpoint)) {
            Some(header) => request.header(AUTHORIZATION, header.clone()),
            None => request,
        }
    }

    /// Meets the demand in `headers`, the registry's answer with status 401.
    pub(super) async fn answer(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        headers: &HeaderMap,
    ) -> Result<(), RegistryError> {
        let challenge = Challenge::read(headers, endpoint)?;
        let credential = match &self.docker_config_dir {
            Some(dir) => credential::find(dir, endpoint).await?,
            None => None,
        };
        let header = match (challenge, credential) {
            (_, Some(Credential::Registry(token))) => bearer(&token),
            (Challenge::Basic, Some(Credential::Basic { username, password })) => basic(&username, &password),
            (Challenge::Basic, _) => return Err(transport::unauthorized(endpoint, 401)),
            (
                Challenge::Bearer {
                    realm,
                    service,
                    scope,
                },
                credential,
            ) => {
                let question = Question::new(endpoint, &realm, service, scope)?;
                bearer(&question.ask(client, endpoint, credential).await?)
            }
        };
        let header = header.ok_or_else(|| RegistryError::Token {
            registry: endpoint.host().to_string(),
        })?;
        self.accepted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(key(endpoint), header);
        Ok(())
    }
}

impl Challenge {
    /// Picks a demand that can be met, tokens first.
    fn read(headers: &HeaderMap, endpoint: &Endpoint) -> Result<Self, RegistryError> {
        let texts: Vec<&str> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let mut best = None;
        for challenge in texts
            .iter()
            .filter_map(|text| http_auth::parse_challenges(text).ok())
            .flatten()
        {
            let parameter = |name: &str| {
                let found = challenge
                    .params
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = parameter("realm")
            {
                return Ok(Self::Bearer {
                    realm,
                    service: parameter("service"),
                    scope: parameter("scope"),
                });
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                best = Some(Self::Basic);
            }
        }
        best.ok_or_else(|| RegistryError::Challenge {
            registry: endpoint.host().to_string(),
            challenge: shorten(&texts.join(", ")),
        })
    }
}

/// What a token server is asked.
struct Question {
    realm: Url,
    service: Option<String>,
    scope: String,
}

impl Question {
    fn new(
        endpoint: &Endpoint,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<Self, RegistryError> {
        let refused = || RegistryError::InsecureRealm {
            registry: endpoint.host().to_string(),
            realm: shorten(realm),
        };
        let url = Url::parse(realm).map_err(|_| refused())?;
        if !transport::may_follow(endpoint.host().is_loopback(), &url) {
            return Err(refused());
        }
        let pull = || format!("repository:{}:pull", endpoint.repository());
        Ok(Self {
            realm: url,
            service,
            scope: scope.unwrap_or_else(pull),
        })
    }

    async fn ask(
        self,
        client: &Client,
        endpoint: &Endpoint,
        credential: Option<Credential>,
    ) -> Result<Secret, RegistryError> {
        let request = match credential {
            Some(Credential::Identity(token)) => self.exchange(client, &token),
            Some(Credential::Basic { username, password }) => client
                .get(self.url())
                .basic_auth(username, Some(password.expose())),
            Some(Credential::Registry(_)) | None => client.get(self.url()),
        };
        let mut response = request
            .send()
            .await
            .map_err(|error| transport::failure(endpoint, error))?;
        transport::check_status(endpoint, &response, None)?;
        let body = transport::body(endpoint, &mut response, LARGEST_TOKEN).await?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&body).ok();
        answer
            .and_then(|answer| answer.token.or(answer.access_token))
            .ok_or_else(|| RegistryError::Token {
                registry: endpoint.host().to_string(),
            })
    }

    fn url(&self) -> Url {
        let mut url = self.realm.clone();
        self.append(&mut url);
        url
    }

    fn append(&self, url: &mut Url) {
        let mut query = url.query_pairs_mut();
        if let Some(service) = &self.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &self.scope);
    }

    /// Trades an identity token for an access token. The form is written like a query.
    fn exchange(&self, client: &Client, token: &Secret) -> RequestBuilder {
        let mut form = self.realm.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", CLIENT_ID)
            .append_pair("refresh_token", token.expose());
        self.append(&mut form);
        let body = form.query().unwrap_or_default().to_owned();
        client
            .post(self.realm.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
    }
}

fn key(endpoint: &Endpoint) -> (RegistryHost, String) {
    (endpoint.host().clone(), endpoint.repository().to_owned())
}

/// Makes a header of a token; none if it has characters that no header can carry.
fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    sensitive(&format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{}", password.expose()))
    ))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(reference: &str) -> Endpoint {
        Endpoint::all_for(&reference.parse().unwrap(), None).remove(0)
    }

    fn read(values: &[&str]) -> Result<Challenge, RegistryError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::read(&headers, &endpoint("a.b/c"))
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = r#"Bearer realm="https://t/x",service="s",scope="repository:c:pull""#;
        let expected = Challenge::Bearer {
            realm: "https://t/x".to_owned(),
            service: Some("s".to_owned()),
            scope: Some("repository:c:pull".to_owned()),
        };
        assert_eq!(read(&[r#"Basic realm="x""#, bearer]).unwrap(), expected);
        assert_eq!(read(&[r#"basic realm="x""#]).unwrap(), Challenge::Basic);
    }

    #[test]
    fn unknown_demands_are_errors() {
        for values in [&[][..], &["Negotiate"], &["Bearer service=\"x\""], &["\"\""]] {
            assert!(
                matches!(read(values), Err(RegistryError::Challenge { .. })),
                "{values:?}"
            );
        }
    }

    #[test]
    fn passwords_go_to_token_servers_behind_tls_only() {
        let ask =
            |reference: &str, realm: &str| Question::new(&endpoint(reference), realm, None, None).is_ok();
        assert!(ask("a.b/c", "https://auth.example/token"));
        assert!(!ask("a.b/c", "http://auth.example/token"));
        assert!(!ask("a.b/c", "http://127.0.0.1/token"));
        assert!(!ask("a.b/c", "file:///etc/passwd"));
        assert!(ask("localhost:5000/c", "http://127.0.0.1:5001/token"));
        assert!(!ask("localhost:5000/c", "http://auth.example/token"));
    }

    #[test]
    fn a_token_that_would_break_the_header_is_refused() {
        assert!(bearer(&Secret::new("a\r\nX: y".to_owned())).is_none());
        assert!(format!("{:?}", bearer(&Secret::new("hunter2".to_owned()))).contains("Sensitive"));
    }
}
