//! The mirror of docker.io, and proxies. docker.io itself is played by a proxy that notes whom it is to connect to.

use pyro_image::{ImageErrorKind, Registry, RegistryError, RegistrySettings};

use crate::fixture::{TestStore, quick, reference};
use crate::image::TestImage;
use crate::proxy::{Action, Proxy};
use crate::server::DockerRegistry;

/// A proxy that connects nobody.
async fn closed() -> Proxy {
    Proxy::start("127.0.0.1:1", |_, _| Action::status(403)).await
}

fn settings(mirror: Option<&str>, proxy: &Proxy) -> RegistrySettings {
    RegistrySettings {
        mirror: mirror.map(str::to_owned),
        https_proxy: Some(format!("http://{}", proxy.address())),
        ..quick()
    }
}

#[tokio::test]
async fn the_mirror_is_asked_first_and_suffices() {
    let (server, outside) = (DockerRegistry::start(), closed().await);
    let image = TestImage::new(2, 1000);
    image
        .push(&server.address(), "hub/library/debian", "12", None)
        .await;
    let mirror = format!("http://{}/hub", server.address());
    let (registry, store) = (
        Registry::new(settings(Some(&mirror), &outside)).unwrap(),
        TestStore::new(),
    );
    let pulled = registry
        .pull(&reference("debian:12"), &store.store, &|_| {})
        .await
        .unwrap();
    assert_eq!(
        pulled.reference.unwrap().to_string(),
        "docker.io/library/debian:12"
    );
    store.assert_holds(&image);
    assert_eq!(outside.requests().len(), 0);
}

#[tokio::test]
async fn docker_hub_is_asked_when_the_mirror_has_nothing() {
    let (server, outside) = (DockerRegistry::start(), closed().await);
    let mirror = Proxy::start(&server.address(), |_, _| Action::Forward).await;
    let registry = Registry::new(settings(Some(mirror.address()), &outside)).unwrap();
    let error = registry.resolve(&reference("debian:12")).await.unwrap_err();
    assert_eq!(mirror.requests()[0].target, "/v2/library/debian/manifests/12");
    assert_eq!(outside.requests()[0].target, "registry-1.docker.io:443");
    assert!(
        matches!(error, RegistryError::MirrorAndOrigin { .. }),
        "{error:?}"
    );
    assert_eq!(
        error.kind(),
        ImageErrorKind::NotFound,
        "the mirror knew, docker.io was not reached"
    );
}

#[tokio::test]
async fn a_layer_the_mirror_does_not_deliver_is_asked_of_docker_hub() {
    let (server, outside) = (DockerRegistry::start(), closed().await);
    let image = TestImage::new(1, 100_000);
    image.push(&server.address(), "library/debian", "12", None).await;
    let layer = image.layer(0);
    let mirror = Proxy::start(&server.address(), move |request, _| {
        if request.is_blob_of(&layer) {
            Action::status(404)
        } else {
            Action::Forward
        }
    })
    .await;
    let (registry, store) = (
        Registry::new(settings(Some(mirror.address()), &outside)).unwrap(),
        TestStore::new(),
    );
    registry
        .pull(&reference("debian:12"), &store.store, &|_| {})
        .await
        .unwrap_err();
    assert!(
        outside
            .requests()
            .iter()
            .all(|it| it.target == "registry-1.docker.io:443")
    );
    assert!(!outside.requests().is_empty());
}

#[tokio::test]
async fn the_mirror_is_for_docker_hub_only() {
    let (mirror, outside) = (closed().await, closed().await);
    let registry = Registry::new(settings(Some(mirror.address()), &outside)).unwrap();
    let error = registry.resolve(&reference("ghcr.io/a/b:1")).await.unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unreachable);
    assert_eq!(mirror.requests().len(), 0);
    assert_eq!(outside.requests()[0].target, "ghcr.io:443");
}

#[tokio::test]
async fn loopback_and_excepted_hosts_are_reached_without_the_proxy() {
    let (server, outside) = (DockerRegistry::start(), closed().await);
    TestImage::new(1, 10)
        .push(&server.address(), "a", "b", None)
        .await;
    let settings = RegistrySettings {
        no_proxy: Some("nowhere.invalid".to_owned()),
        ..settings(None, &outside)
    };
    let registry = Registry::new(settings).unwrap();
    registry
        .resolve(&reference(&format!("{}/a:b", server.address())))
        .await
        .unwrap();
    let error = registry
        .resolve(&reference("nowhere.invalid/a:b"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unreachable, "{error:?}");
    assert_eq!(outside.requests().len(), 0);
}
