//! Root file systems as tar files.

use std::path::Path;

use pyro_image::{Digest, Image, ImageErrorKind, ImportError, LayerMediaType, import_rootfs_tar};

use crate::fixture::TestStore;
use crate::image::{append, gzip, noise, tar_of};

async fn import(tar: Vec<u8>, store: &TestStore) -> Result<Image, ImportError> {
    import_rootfs_tar(std::io::Cursor::new(tar), Path::new("root.tar"), &store.store).await
}

#[tokio::test]
async fn a_tar_in_any_compression_becomes_an_image_of_one_layer() {
    let tar = tar_of("./bin/sh", &noise(1, 700_000));
    let packed = [
        (tar.clone(), LayerMediaType::OciTar),
        (gzip(&tar), LayerMediaType::OciTarGzip),
        (zstd::encode_all(&tar[..], 1).unwrap(), LayerMediaType::OciTarZstd),
    ];
    for (content, media_type) in packed {
        let store = TestStore::new();
        let image = import(content.clone(), &store).await.unwrap();
        let layer = &image.layers[0];
        assert_eq!(
            (layer.digest, layer.diff_id),
            (Digest::of(&content), Digest::of(&tar))
        );
        assert_eq!(
            (layer.media_type, layer.size_bytes),
            (media_type, content.len() as u64)
        );
        assert_eq!(
            (image.config.os.as_str(), image.config.architecture.as_str()),
            ("linux", "amd64")
        );
        assert_eq!(std::fs::read(store.store.path(&layer.digest)).unwrap(), content);
        assert_eq!(
            image,
            import(content, &store).await.unwrap(),
            "the same tar makes the same image"
        );
    }
}

#[tokio::test]
async fn names_that_leave_the_root_are_refused_by_name() {
    for name in ["../x", "/etc/passwd", "a/../../x", ".."] {
        let mut builder = tar::Builder::new(Vec::new());
        append(&mut builder, "fine", b"fine");
        append(&mut builder, name, b"evil");
        let store = TestStore::new();
        let error = import(builder.into_inner().unwrap(), &store).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("entry `{name}` of `root.tar` leaves the archive root")
        );
        assert_eq!(error.kind(), ImageErrorKind::Invalid);
        assert_eq!((store.blobs().len(), store.partials().len()), (0, 0));
    }
}

#[tokio::test]
async fn what_is_no_tar_is_refused_and_leaves_nothing() {
    let tar = tar_of("a", &noise(1, 100_000));
    let packed = gzip(&tar);
    let cases = [
        noise(1, 5000),
        Vec::new(),
        tar[..60_000].to_vec(),
        packed[..packed.len() / 2].to_vec(),
        gzip(b"not a tar at all"),
    ];
    for content in cases {
        let store = TestStore::new();
        let error = import(content, &store).await.unwrap_err();
        assert_eq!(error.kind(), ImageErrorKind::Invalid, "{error:?}");
        assert_eq!((store.blobs().len(), store.partials().len()), (0, 0));
    }
}

/// Delivers zero bytes without end.
struct Endless;

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(std::time::Duration::from_millis(1));
        buffer.fill(b'a');
        Ok(buffer.len())
    }
}

#[tokio::test]
async fn an_import_that_nobody_waits_for_ends() {
    let store = TestStore::new();
    let mut head = tar::Header::new_gnu();
    head.set_path("big").unwrap();
    head.set_size(1 << 40);
    head.set_cksum();
    let source = std::io::Read::chain(std::io::Cursor::new(head.as_bytes().to_vec()), Endless);
    let pending = import_rootfs_tar(source, Path::new("endless"), &store.store);
    tokio::time::timeout(std::time::Duration::from_millis(200), pending)
        .await
        .unwrap_err();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !store.partials().is_empty() {
        assert!(std::time::Instant::now() < deadline, "the import goes on");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
