//! Credentials as docker keeps them: `config.json` and the credential helpers it names.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::endpoint::Endpoint;
use super::helper;
use crate::file_error::{FileAction, FileError, IoContext as _};
use crate::kind::ImageErrorKind;

/// The key under which docker stores what belongs to docker.io.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Other spellings in use for it, as hosts.
const DOCKER_HUB_HOSTS: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// A text that no message shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// What a user may present to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// A name and a password.
    Basic { username: String, password: Secret },
    /// A token that is exchanged for access tokens.
    Identity(Secret),
    /// A token that is presented to the registry as it is.
    Registry(Secret),
}

impl Credential {
    /// Joins the name and the secret of a helper or of docker's file.
    pub(super) fn from_login(username: String, secret: Secret) -> Self {
        if username == "<token>" {
            Self::Identity(secret)
        } else {
            Self::Basic {
                username,
                password: secret,
            }
        }
    }
}

/// Reports that stored credentials could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not JSON of the form docker writes.
    #[error("`{}` is not a docker configuration", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the reader gave up.
        source: serde_json::Error,
    },
    /// An entry of the file is not base64 of `name:password`.
    #[error("the credentials for `{registry}` in `{}` are not readable", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The registry.
        registry: String,
    },
    /// The file names a helper that cannot be a program.
    #[error("`{helper}` is not the name of a credential helper")]
    HelperName {
        /// The name.
        helper: String,
    },
    /// The helper cannot be run.
    #[error("cannot run `docker-credential-{helper}`")]
    HelperStart {
        /// Its name.
        helper: String,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The helper ended with an error.
    #[error("`docker-credential-{helper}` failed for `{registry}`: {message}")]
    HelperFailed {
        /// Its name.
        helper: String,
        /// The registry.
        registry: String,
        /// What it said, shortened.
        message: String,
    },
    /// The helper did not answer in time.
    #[error("`docker-credential-{helper}` did not answer within {seconds} s")]
    HelperSilent {
        /// Its name.
        helper: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The helper answered something else than credentials.
    #[error("`docker-credential-{helper}` gave no credentials that can be read")]
    HelperOutput {
        /// Its name.
        helper: String,
    },
}

impl CredentialError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Malformed { .. } | Self::Entry { .. } | Self::HelperName { .. } => {
                ImageErrorKind::InvalidArgument
            }
            Self::HelperStart { .. }
            | Self::HelperFailed { .. }
            | Self::HelperSilent { .. }
            | Self::HelperOutput { .. } => ImageErrorKind::HostIo,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DockerConfig {
    auths: BTreeMap<String, AuthEntry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

/// Finds what docker's configuration in `dir` has for the registry: of its own helper, else of the general one, else
/// in the file itself.
pub(super) async fn find(dir: &Path, endpoint: &Endpoint) -> Result<Option<Credential>, CredentialError> {
    let path = dir.join("config.json");
    let Some(config) = read(&path)? else {
        return Ok(None);
    };
    let host = endpoint.host().to_string();
    let asked = if endpoint.is_docker_hub() {
        DOCKER_HUB_KEY
    } else {
        &host
    };
    let own = config
        .cred_helpers
        .iter()
        .find(|(key, _)| belongs(key, endpoint))
        .map(|(_, helper)| helper);
    if let Some(name) = own
        .or(config.creds_store.as_ref())
        .filter(|name| !name.is_empty())
        && let Some(found) = helper::ask(name, asked).await?
    {
        return Ok(Some(found));
    }
    let entry = config.auths.into_iter().find(|(key, _)| belongs(key, endpoint));
    match entry {
        Some((registry, entry)) => credential(entry).map_err(|()| CredentialError::Entry { path, registry }),
        None => Ok(None),
    }
}

fn read(path: &Path) -> Result<Option<DockerConfig>, CredentialError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.at(FileAction::Read, path)?,
    };
    let malformed = |source| CredentialError::Malformed {
        path: path.to_path_buf(),
        source,
    };
    serde_json::from_slice(&text).map(Some).map_err(malformed)
}

/// Compares a key of the file, which may be a URL of an old API, to a registry.
fn belongs(key: &str, endpoint: &Endpoint) -> bool {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare);
    if endpoint.is_docker_hub() {
        return DOCKER_HUB_HOSTS.contains(&host);
    }
    host.eq_ignore_ascii_case(&endpoint.host().to_string())
}

/// Reads an entry; none if it is empty, as it is when a helper has the secret.
fn credential(entry: AuthEntry) -> Result<Option<Credential>, ()> {
    let not_empty = |secret: &Secret| !secret.expose().is_empty();
    if let Some(token) = entry.identitytoken.filter(not_empty) {
        return Ok(Some(Credential::Identity(token)));
    }
    if let Some(token) = entry.registrytoken.filter(not_empty) {
        return Ok(Some(Credential::Registry(token)));
    }
    if let Some(auth) = entry.auth.filter(not_empty) {
        let decoded = STANDARD.decode(auth.expose().trim()).map_err(|_| ())?;
        let text = String::from_utf8(decoded).map_err(|_| ())?;
        let (username, password) = text.split_once(':').ok_or(())?;
        let password = password.trim_end_matches('\0').to_owned();
        return Ok(Some(Credential::from_login(
            username.to_owned(),
            Secret::new(password),
        )));
    }
    match (entry.username, entry.password) {
        (Some(username), Some(password)) if !username.is_empty() => {
            Ok(Some(Credential::from_login(username, password)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Option<Credential> {
        let password = Secret::new(password.to_owned());
        Some(Credential::Basic {
            username: username.to_owned(),
            password,
        })
    }

    async fn look_up(config: &str, reference: &str) -> Result<Option<Credential>, CredentialError> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), config).unwrap();
        let endpoint = Endpoint::all_for(&reference.parse().unwrap(), None).remove(0);
        find(dir.path(), &endpoint).await
    }

    #[tokio::test]
    async fn entries_are_found_by_host_in_every_spelling() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOmE6Yg=="},
            "https://r.example:5000/v2/": {"username": "u", "password": "p"},
            "empty.example": {}
        }}"#;
        assert_eq!(look_up(config, "debian").await.unwrap(), basic("hub", "a:b"));
        assert_eq!(
            look_up(config, "r.example:5000/a").await.unwrap(),
            basic("u", "p")
        );
        assert_eq!(look_up(config, "r.example/a").await.unwrap(), None);
        assert_eq!(look_up(config, "empty.example/a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn tokens_are_told_from_passwords() {
        let config = r#"{"auths": {"i.example": {"auth": "", "identitytoken": "t"}}}"#;
        let token = Some(Credential::Identity(Secret::new("t".to_owned())));
        assert_eq!(look_up(config, "i.example/a").await.unwrap(), token);
    }

    #[tokio::test]
    async fn malformed_files_and_entries_are_errors_without_secrets() {
        let error = look_up(r#"{"auths": {"a.b": {"auth": "%%secret"}}}"#, "a.b/c")
            .await
            .unwrap_err();
        assert!(matches!(error, CredentialError::Entry { .. }));
        assert!(!format!("{error:?} {error}").contains("%%secret"));
        assert!(matches!(
            look_up("{", "a.b/c").await,
            Err(CredentialError::Malformed { .. })
        ));
    }

    #[tokio::test]
    async fn a_helper_is_a_name_and_not_a_path() {
        let error = look_up(r#"{"credsStore": "../../evil"}"#, "a.b/c")
            .await
            .unwrap_err();
        assert!(matches!(error, CredentialError::HelperName { .. }));
        let error = look_up(r#"{"credsStore": "does-not-exist"}"#, "a.b/c")
            .await
            .unwrap_err();
        assert!(matches!(error, CredentialError::HelperStart { .. }));
    }

    #[tokio::test]
    async fn no_file_means_no_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::all_for(&"a".parse().unwrap(), None).remove(0);
        assert_eq!(find(dir.path(), &endpoint).await.unwrap(), None);
    }
}
