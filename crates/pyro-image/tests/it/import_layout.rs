//! OCI layouts as `umoci` and `skopeo` make them, and hostile ones.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use pyro_image::{Digest, Image, ImageErrorKind, ImportError, LayoutImage, import_oci_layout};
use serde_json::{Value, json};

use crate::fixture::TestStore;
use crate::image::{OCI_INDEX, OCI_MANIFEST, TestImage, descriptor};
use crate::server::DockerRegistry;

/// Runs a tool that must be installed.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// Copies an image out of a registry by `skopeo`.
pub(crate) async fn copy(image: &TestImage, target: &str) {
    let server = DockerRegistry::start();
    image.push(&server.address(), "image", "tag", None).await;
    let source = format!("docker://{}/image:tag", server.address());
    run(
        "skopeo",
        &[
            "--insecure-policy",
            "copy",
            "-q",
            "--src-tls-verify=false",
            &source,
            target,
        ],
    );
}

async fn import(dir: &Path, image: LayoutImage, store: &TestStore) -> Result<Image, ImportError> {
    import_oci_layout(dir, image, &store.store).await
}

/// A layout in a temporary directory, to be spoilt.
struct Layout {
    dir: tempfile::TempDir,
}

impl Layout {
    fn new(image: &TestImage) -> Self {
        let layout = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir_all(layout.path("blobs/sha256")).unwrap();
        layout.write("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#);
        for blob in image.layers.iter().chain([&image.config, &image.manifest]) {
            layout.write(&blob_name(blob), blob);
        }
        layout.index(&[entry(image, "tag")]);
        layout
    }

    fn index(&self, entries: &[Value]) {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        self.write("index.json", index.to_string().as_bytes());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Imports and expects a refusal that leaves no blob.
    async fn refusal(&self, image: LayoutImage) -> ImportError {
        let store = TestStore::new();
        let error = import(self.dir.path(), image, &store).await.unwrap_err();
        assert_eq!((store.blobs().len(), store.partials().len()), (0, 0), "{error:?}");
        error
    }
}

fn blob_name(content: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(content).hex())
}

fn entry(image: &TestImage, tag: &str) -> Value {
    let mut entry = descriptor(OCI_MANIFEST, &image.manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    entry
}

#[tokio::test]
async fn a_layout_made_by_skopeo_is_imported() {
    let image = TestImage::new(2, 20_000);
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    copy(&image, &format!("oci:{}:tag", layout.display())).await;
    let store = TestStore::new();
    let imported = import(&layout, LayoutImage::Tag("tag".to_owned()), &store)
        .await
        .unwrap();
    assert_eq!(
        (imported.manifest_digest, imported.reference),
        (image.digest(), None)
    );
    store.assert_holds(&image);
    let by_digest = import(&layout, LayoutImage::Digest(image.digest()), &store)
        .await
        .unwrap();
    assert_eq!(by_digest.layers, imported.layers);
}

#[tokio::test]
async fn a_layout_made_by_umoci_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout").display().to_string();
    let content = dir.path().join("hello");
    std::fs::write(&content, "hello").unwrap();
    let name = format!("{layout}:new");
    run("umoci", &["init", "--layout", &layout]);
    run("umoci", &["new", "--image", &name]);
    run(
        "umoci",
        &[
            "insert",
            "--rootless",
            "--image",
            &name,
            content.to_str().unwrap(),
            "/hello",
        ],
    );
    run(
        "umoci",
        &[
            "config",
            "--image",
            &name,
            "--config.user",
            "5:6",
            "--architecture",
            "amd64",
        ],
    );
    let store = TestStore::new();
    let image = import(Path::new(&layout), LayoutImage::Only, &store)
        .await
        .unwrap();
    assert_eq!((image.layers.len(), image.config.user.as_str()), (1, "5:6"));
    store.store.verify(&image.layers[0].digest).unwrap();
}

#[tokio::test]
async fn one_of_several_images_must_be_chosen() {
    let (one, two) = (TestImage::new(1, 10), TestImage::new(2, 10));
    let layout = Layout::new(&one);
    for blob in two.layers.iter().chain([&two.config, &two.manifest]) {
        layout.write(&blob_name(blob), blob);
    }
    layout.index(&[entry(&one, "one"), entry(&two, "two")]);
    let error = layout.refusal(LayoutImage::Only).await;
    assert!(
        error.to_string().ends_with("has several images: one, two"),
        "{error}"
    );
    let error = layout.refusal(LayoutImage::Tag("three".to_owned())).await;
    assert_eq!(error.kind(), ImageErrorKind::NotFound);
    let store = TestStore::new();
    import(layout.dir.path(), LayoutImage::Tag("two".to_owned()), &store)
        .await
        .unwrap();
    store.assert_holds(&two);
}

#[tokio::test]
async fn an_index_within_the_index_is_followed() {
    let image = TestImage::new(1, 10);
    let layout = Layout::new(&image);
    let mut inner = descriptor(OCI_MANIFEST, &image.manifest);
    inner["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let inner = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]}).to_string();
    layout.write(&blob_name(inner.as_bytes()), inner.as_bytes());
    layout.index(&[descriptor(OCI_INDEX, inner.as_bytes())]);
    let store = TestStore::new();
    import(layout.dir.path(), LayoutImage::Only, &store)
        .await
        .unwrap();
    store.assert_holds(&image);
}

#[tokio::test]
async fn missing_parts_are_named() {
    let image = TestImage::new(1, 10);
    for part in [
        "oci-layout".to_owned(),
        "index.json".to_owned(),
        blob_name(&image.manifest),
        blob_name(&image.layers[0]),
    ] {
        let layout = Layout::new(&image);
        std::fs::remove_file(layout.path(&part)).unwrap();
        let error = layout.refusal(LayoutImage::Only).await;
        assert!(
            matches!(&error, ImportError::Missing { entry, .. } if *entry == part),
            "{error:?}"
        );
    }
    let error = import(Path::new("/nowhere"), LayoutImage::Only, &TestStore::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::NotFound);
}

#[tokio::test]
async fn parts_with_other_content_are_digest_mismatches() {
    let image = TestImage::new(1, 10);
    for blob in [&image.manifest, &image.config, &image.layers[0]] {
        for change in [Vec::pop as fn(&mut Vec<u8>) -> Option<u8>, |content| {
            content.pop().map(|it| content.push(!it)).and(None)
        }] {
            let layout = Layout::new(&image);
            let mut content = blob.clone();
            change(&mut content);
            layout.write(&blob_name(blob), &content);
            let error = layout.refusal(LayoutImage::Only).await;
            assert_eq!(error.kind(), ImageErrorKind::DigestMismatch, "{error:?}");
            assert!(error.to_string().contains(&Digest::of(blob).hex()), "{error}");
        }
    }
}

#[tokio::test]
async fn links_and_special_files_are_refused() {
    let image = TestImage::new(1, 10);
    for part in [
        blob_name(&image.layers[0]),
        blob_name(&image.manifest),
        "index.json".to_owned(),
    ] {
        let layout = Layout::new(&image);
        let elsewhere = layout.path("elsewhere");
        std::fs::rename(layout.path(&part), &elsewhere).unwrap();
        symlink(&elsewhere, layout.path(&part)).unwrap();
        let error = layout.refusal(LayoutImage::Only).await;
        assert!(
            matches!(&error, ImportError::NotAFile { entry, .. } if *entry == part),
            "{error:?}"
        );
    }
    let layout = Layout::new(&image);
    std::fs::rename(layout.path("blobs"), layout.path("real")).unwrap();
    symlink(layout.path("real"), layout.path("blobs")).unwrap();
    assert!(matches!(
        layout.refusal(LayoutImage::Only).await,
        ImportError::NotAFile { .. }
    ));
    let layout = Layout::new(&image);
    std::fs::remove_file(layout.path("index.json")).unwrap();
    run("mkfifo", &[layout.path("index.json").to_str().unwrap()]);
    assert!(matches!(
        layout.refusal(LayoutImage::Only).await,
        ImportError::NotAFile { .. }
    ));
}

#[tokio::test]
async fn giant_and_unknown_documents_are_refused() {
    let image = TestImage::new(1, 10);
    let layout = Layout::new(&image);
    layout.write("index.json", &vec![b' '; 4 * 1024 * 1024 + 1]);
    assert!(matches!(
        layout.refusal(LayoutImage::Only).await,
        ImportError::TooLarge { .. }
    ));
    let layout = Layout::new(&image);
    layout.write("oci-layout", br#"{"imageLayoutVersion": "2.0.0"}"#);
    assert!(matches!(
        layout.refusal(LayoutImage::Only).await,
        ImportError::LayoutVersion { .. }
    ));
    let layout = Layout::new(&image);
    layout.write("oci-layout", b"{");
    assert!(matches!(
        layout.refusal(LayoutImage::Only).await,
        ImportError::Json { .. }
    ));
}
