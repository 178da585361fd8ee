//! Manifests that are refused.

use pyro_image::{Digest, ImageErrorKind, Registry, RegistryError};
use serde_json::json;

use crate::fixture::{Setup, json, quick, reference};
use crate::image::TestImage;
use crate::proxy::{Action, Proxy, Request};

/// Resolves against a registry that answers every question with `action`.
async fn resolve(action: Action) -> RegistryError {
    let proxy = Proxy::start("127.0.0.1:1", move |_, _| action.clone()).await;
    let name = reference(&format!("{}/a:b", proxy.address()));
    Registry::new(quick()).unwrap().resolve(&name).await.unwrap_err()
}

#[tokio::test]
async fn a_giant_manifest_is_not_read() {
    let announced = resolve(json(vec![b' '; 4 * 1024 * 1024 + 1])).await;
    assert!(
        matches!(announced, RegistryError::DocumentTooLarge { .. }),
        "{announced:?}"
    );
    assert_eq!(announced.kind(), ImageErrorKind::Invalid);
}

/// Pulls while the registry appends so many spaces to every manifest.
async fn pull_lengthened(count: usize) -> RegistryError {
    let script = move |request: &Request, _: usize| {
        if request.is_blob() {
            Action::Forward
        } else {
            Action::Lengthen(count)
        }
    };
    Setup::new(TestImage::new(1, 10), script)
        .await
        .pull()
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_giant_manifest_of_unknown_length_is_not_read() {
    let error = pull_lengthened(5 * 1024 * 1024).await;
    assert!(
        matches!(error, RegistryError::DocumentTooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_manifest_that_is_not_what_the_registry_announces_is_refused() {
    assert_eq!(pull_lengthened(1).await.kind(), ImageErrorKind::DigestMismatch);
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let setup = Setup::new(TestImage::new(1, 10), |request, _| {
        if request.target.contains("/manifests/") {
            Action::Corrupt
        } else {
            Action::Forward
        }
    })
    .await;
    let pinned = setup.reference().with_digest(setup.image.digest());
    let error = Registry::new(quick())
        .unwrap()
        .resolve(&pinned)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::DocumentDigest { .. }), "{error:?}");
    assert_eq!(
        setup.pull().await.unwrap_err().kind(),
        ImageErrorKind::DigestMismatch
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_refused() {
    let setup = Setup::new(TestImage::new(1, 10), |request, _| {
        if request.is_blob() {
            Action::Corrupt
        } else {
            Action::Forward
        }
    })
    .await;
    let error = setup.pull().await.unwrap_err();
    assert!(matches!(error, RegistryError::DocumentDigest { .. }), "{error:?}");
}

#[tokio::test]
async fn schema_1_is_refused() {
    let old = json!({"schemaVersion": 1, "name": "a", "fsLayers": [], "history": []});
    let error = resolve(json(old.to_string())).await;
    assert_eq!(error.kind(), ImageErrorKind::Unsupported);
}

#[tokio::test]
async fn indexes_without_end_are_refused() {
    let entry =
        |digest| json!({"digest": digest, "size": 9, "platform": {"os": "linux", "architecture": "amd64"}});
    let index = |digest: Digest| json!({"schemaVersion": 2, "manifests": [entry(digest)]}).to_string();
    let mut chain = vec![index(Digest::of(b"end"))];
    for depth in 0..5 {
        let next = index(Digest::of(chain[depth].as_bytes()));
        chain.push(next);
    }
    let proxy = Proxy::start("127.0.0.1:1", move |request, _| {
        let by_digest = chain
            .iter()
            .find(|it| request.target.ends_with(&Digest::of(it.as_bytes()).to_string()));
        json(by_digest.unwrap_or_else(|| chain.last().unwrap()).clone())
    })
    .await;
    let name = reference(&format!("{}/a:b", proxy.address()));
    let error = Registry::new(quick()).unwrap().resolve(&name).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "image indexes are nested more than 3 deep");
    assert_eq!(proxy.requests().len(), 4);
}

#[tokio::test]
async fn something_that_is_no_registry_is_refused() {
    let error = resolve(json("<html>sign in to the wireless network</html>")).await;
    assert_eq!(error.kind(), ImageErrorKind::Invalid);
}
