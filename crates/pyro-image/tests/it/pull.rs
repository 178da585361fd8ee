//! Pulls that go well, and names that do not exist.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use pyro_image::{ImageErrorKind, LayerMediaType, Registry};
use serde_json::json;

use crate::fixture::{Setup, TestStore, quick, reference};
use crate::image::{OCI_INDEX, OCI_MANIFEST, Pusher, TestImage, descriptor};
use crate::proxy::Action;
use crate::server::{DockerRegistry, free_port};

fn forward() -> impl Fn(&crate::proxy::Request, usize) -> Action {
    |_, _| Action::Forward
}

#[tokio::test]
async fn a_tag_is_pulled_with_its_layers_and_configuration() {
    let setup = Setup::new(TestImage::new(3, 50_000), forward()).await;
    let image = setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(image.manifest_digest, setup.image.digest());
    assert_eq!(image.reference, Some(setup.reference()));
    assert_eq!(
        (image.config.user.as_str(), image.config.working_dir.as_str()),
        ("1000", "/work")
    );
    assert_eq!(image.config.env, ["PATH=/bin"]);
    assert_eq!(image.layers[0].media_type, LayerMediaType::OciTarGzip);
    assert_eq!(
        image.size_bytes(),
        setup.image.layers.iter().map(|it| it.len() as u64).sum::<u64>()
    );
}

#[tokio::test]
async fn a_digest_is_pulled_in_dockers_own_format() {
    let setup = Setup::new(TestImage::docker(1, 1000), forward()).await;
    let name = format!("{}/repo/image@{}", setup.proxy.address(), setup.image.digest());
    let registry = Registry::new(quick()).unwrap();
    let image = registry
        .pull(&reference(&name), &setup.store.store, &|_| {})
        .await
        .unwrap();
    assert_eq!(image.layers[0].media_type, LayerMediaType::DockerTarGzip);
    setup.store.assert_holds(&setup.image);
}

#[tokio::test]
async fn resolving_reads_no_layer() {
    let setup = Setup::new(TestImage::new(2, 1000), forward()).await;
    let image = Registry::new(quick())
        .unwrap()
        .resolve(&setup.reference())
        .await
        .unwrap();
    assert_eq!(image.layers.len(), 2);
    assert_eq!(setup.proxy.downloads(&setup.image.layer(0)), 0);
    assert_eq!(setup.store.blobs(), Vec::<String>::new());
}

#[tokio::test]
async fn an_index_leads_to_the_image_for_this_platform() {
    let server = DockerRegistry::start();
    let (amd64, arm64) = (TestImage::new(1, 1000), TestImage::for_architecture("arm64"));
    let entry = |image: &TestImage, architecture: &str| {
        let mut entry = descriptor(OCI_MANIFEST, &image.manifest);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    for image in [&amd64, &arm64] {
        image
            .push(&server.address(), "multi", &image.digest().hex()[..12], None)
            .await;
    }
    let pusher = Pusher::new(&server.address(), "multi", None);
    let index = |entries: Vec<serde_json::Value>| {
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string()
    };
    let both = index(vec![entry(&arm64, "arm64"), entry(&amd64, "amd64")]);
    pusher.manifest("both", OCI_INDEX, both.as_bytes()).await;
    pusher
        .manifest("arm", OCI_INDEX, index(vec![entry(&arm64, "arm64")]).as_bytes())
        .await;

    let (registry, store) = (Registry::new(quick()).unwrap(), TestStore::new());
    let name = reference(&format!("{}/multi:both", server.address()));
    let image = registry.pull(&name, &store.store, &|_| {}).await.unwrap();
    assert_eq!(image.manifest_digest, amd64.digest());
    store.assert_holds(&amd64);
    let name = reference(&format!("{}/multi:arm", server.address()));
    let error = registry.resolve(&name).await.unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unsupported);
    assert!(chain(&error).last().unwrap().contains("only for linux/arm64"));
}

fn chain(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn progress_ends_at_the_size_of_the_image() {
    let setup = Setup::new(TestImage::new(3, 200_000), forward()).await;
    let seen = Mutex::new(Vec::new());
    let registry = Registry::new(quick()).unwrap();
    let report = |progress| seen.lock().unwrap().push(progress);
    let image = registry
        .pull(&setup.reference(), &setup.store.store, &report)
        .await
        .unwrap();
    let seen = seen.into_inner().unwrap();
    let last = seen.last().unwrap();
    assert_eq!(
        (last.done_bytes, last.total_bytes),
        (image.size_bytes(), image.size_bytes())
    );
    assert!(seen.is_sorted_by_key(|it| it.done_bytes) && seen.len() > 3);
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again() {
    let setup = Setup::new(TestImage::new(2, 1000), forward()).await;
    setup.pull().await.unwrap();
    setup.pull().await.unwrap();
    assert_eq!(setup.proxy.downloads(&setup.image.layer(0)), 1);
}

#[tokio::test]
async fn a_missing_tag_or_repository_is_not_found() {
    let server = DockerRegistry::start();
    TestImage::new(1, 10)
        .push(&server.address(), "there", "tag", None)
        .await;
    let registry = Registry::new(quick()).unwrap();
    for name in ["there:other", "elsewhere:tag"] {
        let error = registry
            .resolve(&reference(&format!("{}/{name}", server.address())))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ImageErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(name.split(':').next().unwrap()));
    }
}

#[tokio::test]
async fn an_unreachable_registry_fails_at_once() {
    let started = Instant::now();
    let name = format!("127.0.0.1:{}/a:b", free_port());
    let registry = Registry::new(pyro_image::RegistrySettings::default()).unwrap();
    let error = registry.resolve(&reference(&name)).await.unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unreachable);
    assert!(started.elapsed() < Duration::from_secs(2));
}
