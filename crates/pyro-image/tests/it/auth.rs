//! Signing in.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyro_image::{ImageErrorKind, Registry, RegistryError, RegistrySettings};
use tempfile::TempDir;

use crate::child::Child;
use crate::fixture::{Setup, TestStore, quick, reference};
use crate::image::TestImage;
use crate::proxy::{Action, Request};
use crate::server::DockerRegistry;

/// `user:right` in base64.
const RIGHT: &str = "dXNlcjpyaWdodA==";
/// `user:wrong` in base64.
const WRONG: &str = "dXNlcjp3cm9uZw==";

/// Writes docker's configuration and returns its directory.
fn docker_config(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), text).unwrap();
    dir
}

fn login(registry: &str, auth: &str) -> TempDir {
    docker_config(&format!(r#"{{"auths": {{"{registry}": {{"auth": "{auth}"}}}}}}"#))
}

fn settings(config: &TempDir) -> RegistrySettings {
    RegistrySettings {
        docker_config_dir: Some(config.path().to_path_buf()),
        ..quick()
    }
}

#[tokio::test]
async fn a_password_of_docker_opens_a_registry() {
    let server = DockerRegistry::with_user("user", "right");
    let image = TestImage::new(2, 1000);
    image
        .push(&server.address(), "private", "tag", Some("user:right"))
        .await;
    let name = reference(&format!("{}/private:tag", server.address()));
    let store = TestStore::new();

    let config = login(&server.address(), RIGHT);
    Registry::new(settings(&config))
        .unwrap()
        .pull(&name, &store.store, &|_| {})
        .await
        .unwrap();
    store.assert_holds(&image);

    let config = login(&server.address(), WRONG);
    for settings in [settings(&config), quick()] {
        let error = Registry::new(settings).unwrap().resolve(&name).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Unauthorized { status: 401, .. }),
            "{error:?}"
        );
        assert_eq!(error.kind(), ImageErrorKind::Unauthorized);
    }
}

/// Guards a registry as docker.io is: tokens `token-0`, `token-1`, … each good for `uses` requests.
async fn guarded(uses: usize, accepts: fn(&Request) -> bool) -> Setup {
    let issued = AtomicUsize::new(0);
    let used = AtomicUsize::new(0);
    Setup::new(TestImage::new(3, 1000), move |request, _| {
        let Some(host) = request.header("host") else {
            return Action::status(400);
        };
        if request.target.starts_with("/token") {
            if !accepts(request) {
                return Action::status(401);
            }
            used.store(0, Ordering::SeqCst);
            let number = issued.fetch_add(1, Ordering::SeqCst);
            let body = format!(r#"{{"token": "token-{number}"}}"#).into_bytes();
            return Action::Answer {
                status: 200,
                headers: vec![],
                body,
            };
        }
        let current = format!("Bearer token-{}", issued.load(Ordering::SeqCst).wrapping_sub(1));
        if request.header("authorization") == Some(&current) && used.fetch_add(1, Ordering::SeqCst) < uses {
            return Action::Forward;
        }
        let challenge = format!(
            r#"Bearer realm="http://{host}/token?x=y",service="reg",scope="repository:repo/image:pull""#
        );
        Action::Answer {
            status: 401,
            headers: vec![("www-authenticate", challenge)],
            body: vec![],
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_without_a_password() {
    let setup = guarded(usize::MAX, |request| request.header("authorization").is_none()).await;
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    let requests = setup.proxy.requests();
    let asked: Vec<&str> = requests
        .iter()
        .map(|it| it.target.as_str())
        .filter(|it| it.starts_with("/token"))
        .collect();
    assert_eq!(
        asked,
        ["/token?x=y&service=reg&scope=repository%3Arepo%2Fimage%3Apull"]
    );
}

#[tokio::test]
async fn a_password_is_shown_to_the_token_server_alone() {
    let setup = guarded(usize::MAX, |request| {
        request.header("authorization") == Some("Basic dXNlcjpyaWdodA==")
    })
    .await;
    let config = login(setup.proxy.address(), RIGHT);
    setup.pull_with(settings(&config)).await.unwrap();
    let requests = setup.proxy.requests();
    let shown = requests.iter().filter(|it| {
        it.header("authorization")
            .is_some_and(|it| it.starts_with("Basic"))
    });
    assert!(shown.clone().count() == 1 && shown.clone().all(|it| it.target.starts_with("/token")));

    let error = setup
        .pull_with(settings(&login(setup.proxy.address(), WRONG)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unauthorized, "{error:?}");
    assert_eq!(
        setup.pull().await.unwrap_err().kind(),
        ImageErrorKind::Unauthorized
    );
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let setup = guarded(usize::MAX, |request| {
        request.method == "POST"
            && request.body.contains("grant_type=refresh_token")
            && request.body.contains("refresh_token=a%2Bb")
            && !request.target.contains("refresh")
    })
    .await;
    let entry = format!(
        r#"{{"auths": {{"{}": {{"identitytoken": "a+b"}}}}}}"#,
        setup.proxy.address()
    );
    setup.pull_with(settings(&docker_config(&entry))).await.unwrap();
}

#[tokio::test]
async fn a_token_that_expires_on_the_way_is_renewed() {
    let setup = guarded(4, |_| true).await;
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    let requests = setup.proxy.requests();
    assert!(
        requests
            .iter()
            .filter(|it| it.target.starts_with("/token"))
            .count()
            > 1
    );
}

#[tokio::test]
async fn a_credential_helper_is_asked() {
    let server = DockerRegistry::with_user("user", "right");
    let image = TestImage::new(1, 1000);
    image
        .push(&server.address(), "private", "tag", Some("user:right"))
        .await;
    let bin = tempfile::tempdir().unwrap();
    let helper = bin.path().join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\nread registry\n[ \"$1 $registry\" = \"get {}\" ] || {{ echo 'credentials not found in native keychain'; exit 1; }}\necho '{{\"Username\": \"user\", \"Secret\": \"right\"}}'\n",
        server.address()
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = docker_config(r#"{"credsStore": "test"}"#);
    let store = TestStore::new();
    let name = format!("{}/private:tag", server.address());
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());

    let outcome = Child::new(&name, &store)
        .docker_config(config.path())
        .path(&path)
        .run()
        .await;
    assert_eq!(outcome, "pulled");
    store.assert_holds(&image);

    let other = docker_config(r#"{"credHelpers": {"other.example": "test"}}"#);
    let store = TestStore::new();
    let outcome = Child::new(&name, &store)
        .docker_config(other.path())
        .path(&path)
        .run()
        .await;
    assert!(outcome.starts_with("Unauthorized"), "{outcome}");
}
