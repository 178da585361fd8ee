//! Programs that keep docker's credentials: `docker-credential-<name> get`.
//!
//! See <https://github.com/docker/docker-credential-helpers>: the registry goes to the standard input, an object with
//! `Username` and `Secret` comes back.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time;

use super::CredentialError;
use super::credential::{Credential, Secret};
use crate::digest::shorten;

/// Longest time a helper may take; some ask the user to unlock a key ring.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What helpers say, with exit status 1, when they have nothing.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default = "Answer::no_secret")]
    secret: Secret,
}

impl Answer {
    fn no_secret() -> Secret {
        Secret::new(String::new())
    }
}

/// Asks the helper for the credentials of `registry`; none if it has no such.
pub(super) async fn ask(helper: &str, registry: &str) -> Result<Option<Credential>, CredentialError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !helper.bytes().all(is_name) {
        return Err(CredentialError::HelperName {
            helper: shorten(helper),
        });
    }
    let output = time::timeout(LONGEST_WAIT, run(helper, registry))
        .await
        .map_err(|_| CredentialError::HelperSilent {
            helper: helper.to_owned(),
            seconds: LONGEST_WAIT.as_secs(),
        })??;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        if text.trim() == NOT_FOUND {
            return Ok(None);
        }
        return Err(CredentialError::HelperFailed {
            helper: helper.to_owned(),
            registry: registry.to_owned(),
            message: shorten(text.trim()),
        });
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|_| CredentialError::HelperOutput {
            helper: helper.to_owned(),
        })?;
    let found = !answer.secret.expose().is_empty();
    Ok(found.then(|| Credential::from_login(answer.username, answer.secret)))
}

/// Runs the helper. Dropping the future kills it.
async fn run(helper: &str, registry: &str) -> Result<Output, CredentialError> {
    let failed = |source| CredentialError::HelperStart {
        helper: helper.to_owned(),
        source,
    };
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take().expect("the standard input was asked for");
    // A helper that does not read its input says by its answer what is wrong.
    drop(input.write_all(registry.as_bytes()).await);
    drop(input);
    child.wait_with_output().await.map_err(failed)
}
