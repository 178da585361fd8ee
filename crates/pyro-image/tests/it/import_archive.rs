//! Archives of `docker save`, real and hostile.

use std::path::Path;

use pyro_image::{Digest, Image, ImageErrorKind, ImportError, LayerMediaType, import_docker_archive};
use serde_json::{Value, json};
use tar::Builder;

use crate::fixture::TestStore;
use crate::image::{TestImage, append, append_link, gzip, noise, tar_of};
use crate::import_layout::copy;

async fn import(content: &[u8], store: &TestStore) -> Result<Image, ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("saved.tar");
    std::fs::write(&path, content).unwrap();
    import_docker_archive(&path, &store.store).await
}

/// Imports and expects a refusal that leaves no blob.
async fn refusal(content: &[u8]) -> ImportError {
    let store = TestStore::new();
    let error = import(content, &store).await.unwrap_err();
    assert_eq!((store.blobs().len(), store.partials().len()), (0, 0), "{error:?}");
    error
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|it| Digest::of(it)).collect();
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "config": {"User": "7"},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    config.to_string().into_bytes()
}

/// Starts an archive with a configuration and a manifest of these layers.
fn archive(config: &[u8], layers: &[&str]) -> Builder<Vec<u8>> {
    let name = format!("{}.json", Digest::of(config).hex());
    let mut builder = Builder::new(Vec::new());
    append(&mut builder, &name, config);
    let manifest = json!([{"Config": name, "RepoTags": ["debian:12"], "Layers": layers}]);
    append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
    builder
}

fn finish(builder: Builder<Vec<u8>>) -> Vec<u8> {
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn an_archive_made_by_skopeo_is_imported() {
    let image = TestImage::docker(2, 20_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("saved.tar");
    copy(&image, &format!("docker-archive:{}:debian:12", path.display())).await;
    let store = TestStore::new();
    let imported = import_docker_archive(&path, &store.store).await.unwrap();
    assert_eq!(
        imported.reference.unwrap().to_string(),
        "docker.io/library/debian:12"
    );
    assert_eq!(
        (imported.layers.len(), imported.config.user.as_str()),
        (2, "1000")
    );
    for layer in &imported.layers {
        store.store.verify(&layer.digest).unwrap();
    }
}

#[tokio::test]
async fn old_and_new_names_and_compressed_archives_are_imported() {
    let layer = tar_of("file", &noise(1, 10_000));
    let packed = gzip(&layer);
    let config = config(&[&layer, &layer]);
    let new_name = format!("blobs/sha256/{}", Digest::of(&packed).hex());
    let mut builder = archive(&config, &["abc/layer.tar", &new_name]);
    append(&mut builder, "abc/layer.tar", &layer);
    append(&mut builder, &new_name, &packed);
    let saved = finish(builder);
    let mut images = Vec::new();
    for content in [
        saved.clone(),
        gzip(&saved),
        zstd::encode_all(&saved[..], 1).unwrap(),
    ] {
        let store = TestStore::new();
        images.push(import(&content, &store).await.unwrap());
        assert_eq!((store.blobs().len(), store.partials().len()), (2, 0));
    }
    assert!(images.iter().all(|it| *it == images[0]));
    assert_eq!(images[0].layers[1].media_type, LayerMediaType::OciTarGzip);
    assert_eq!(images[0].layers[1].diff_id, Digest::of(&layer));
}

#[tokio::test]
async fn a_layer_that_is_a_link_to_another_member_is_that_member() {
    let layer = tar_of("file", b"content");
    let mut builder = archive(&config(&[&layer, &layer]), &["a/layer.tar", "b/layer.tar"]);
    append(&mut builder, "a/layer.tar", &layer);
    append_link(&mut builder, "b/layer.tar", "../a/layer.tar");
    let store = TestStore::new();
    let image = import(&finish(builder), &store).await.unwrap();
    assert_eq!(image.layers[0], image.layers[1]);
}

#[tokio::test]
async fn links_to_anything_else_are_refused() {
    let layer = tar_of("file", b"content");
    for (target, expected) in [
        ("/etc/passwd", "entry `b/layer.tar` of"),
        ("../../etc/passwd", "entry `b/layer.tar` of"),
        ("../a/none", "entry `a/none` of"),
        ("layer.tar", "entry `b/layer.tar` of"),
    ] {
        let mut builder = archive(&config(&[&layer]), &["b/layer.tar"]);
        append_link(&mut builder, "b/layer.tar", target);
        let error = refusal(&finish(builder)).await;
        assert_eq!(error.kind(), ImageErrorKind::Invalid);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let mut builder = Builder::new(Vec::new());
    append(&mut builder, "real.json", b"[]");
    append_link(&mut builder, "manifest.json", "real.json");
    let error = refusal(&finish(builder)).await;
    assert!(matches!(error, ImportError::NotAFile { .. }), "{error:?}");
}

#[tokio::test]
async fn names_that_leave_the_archive_are_refused() {
    let layer = tar_of("file", b"content");
    for name in ["../x", "/x", "a/../../x"] {
        let mut builder = archive(&config(&[&layer]), &["l"]);
        append(&mut builder, "l", &layer);
        append(&mut builder, name, b"");
        let error = refusal(&finish(builder)).await;
        assert!(
            matches!(&error, ImportError::Escape { entry, .. } if entry == name),
            "{error:?}"
        );
        let error = refusal(&finish(archive(&config(&[&layer]), &[name]))).await;
        assert!(
            matches!(&error, ImportError::Escape { entry, .. } if entry == name),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn missing_members_are_named() {
    let layer = tar_of("file", b"content");
    let error = refusal(&finish(archive(&config(&[&layer]), &["l/layer.tar"]))).await;
    assert!(
        matches!(&error, ImportError::Missing { entry, .. } if entry == "l/layer.tar"),
        "{error:?}"
    );
    let error = refusal(&layer).await;
    assert!(
        matches!(&error, ImportError::Missing { entry, .. } if entry == "manifest.json"),
        "{error:?}"
    );
    let error = import_docker_archive(Path::new("/nowhere.tar"), &TestStore::new().store)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::NotFound);
}

#[tokio::test]
async fn members_that_are_not_what_they_claim_are_digest_mismatches() {
    let (layer, other) = (tar_of("file", b"content"), tar_of("file", b"other"));
    let mut wrong_layer = archive(&config(&[&layer]), &["l/layer.tar"]);
    append(&mut wrong_layer, "l/layer.tar", &other);
    let named = format!("blobs/sha256/{}", Digest::of(b"x").hex());
    let mut wrong_name = archive(&config(&[&layer]), &[&named]);
    append(&mut wrong_name, &named, &layer);
    let mut wrong_config = Builder::new(Vec::new());
    let name = format!("{}.json", Digest::of(b"x").hex());
    append(&mut wrong_config, &name, &config(&[]));
    let manifest = json!([{"Config": name, "RepoTags": null, "Layers": null}]);
    append(
        &mut wrong_config,
        "manifest.json",
        manifest.to_string().as_bytes(),
    );
    for builder in [wrong_layer, wrong_name, wrong_config] {
        let error = refusal(&finish(builder)).await;
        assert!(matches!(error, ImportError::DigestMismatch { .. }), "{error:?}");
        assert_eq!(error.kind(), ImageErrorKind::DigestMismatch);
    }
}

#[tokio::test]
async fn giant_broken_and_surplus_manifests_are_refused() {
    let saved = |manifest: &[u8]| {
        let mut builder = Builder::new(Vec::new());
        append(&mut builder, "manifest.json", manifest);
        finish(builder)
    };
    let giant = refusal(&saved(&vec![b' '; 4 * 1024 * 1024 + 1])).await;
    assert!(matches!(giant, ImportError::TooLarge { .. }), "{giant:?}");
    let broken = refusal(&saved(b"[")).await;
    assert!(matches!(broken, ImportError::Json { .. }), "{broken:?}");
    let one = |tag: &str| -> Value { json!({"Config": "c", "RepoTags": [tag], "Layers": []}) };
    let two = refusal(&saved(json!([one("a:1"), one("b:2")]).to_string().as_bytes())).await;
    assert!(two.to_string().ends_with("has several images: a:1, b:2"), "{two}");
    let count = refusal(&finish(archive(&config(&[b"x"]), &[]))).await;
    assert!(matches!(count, ImportError::Manifest { .. }), "{count:?}");
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    for content in [noise(3, 4096), Vec::new(), gzip(&noise(3, 4096))] {
        let error = refusal(&content).await;
        assert_eq!(error.kind(), ImageErrorKind::Invalid, "{error:?}");
    }
    let tar = finish(archive(&config(&[]), &[]));
    let packed = gzip(&[tar, noise(4, 100_000)].concat());
    let error = refusal(&packed[..packed.len() / 2]).await;
    assert_eq!(error.kind(), ImageErrorKind::Invalid, "{error:?}");
}
