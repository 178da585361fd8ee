use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

fn store() -> (tempfile::TempDir, BlobStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path().join("cache/store")).unwrap();
    (dir, store)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn bytes(content: &'static [u8]) -> bytes::Bytes {
    bytes::Bytes::from_static(content)
}

async fn sink(store: &BlobStore, digest: Digest, size: u64) -> BlobSink {
    match store.claim(&digest, size).await.unwrap() {
        Claim::Mine(partial) => BlobSink::start(store, partial, (digest, size)).await.unwrap(),
        Claim::Present => panic!("the blob is there already"),
    }
}

#[tokio::test]
async fn a_blob_appears_only_when_it_is_complete_and_right() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    let mut sink = sink(&store, digest, 5).await;
    sink.write(bytes(b"hel")).await.unwrap();
    assert!(!store.path(&digest).exists());
    sink.write(bytes(b"lo")).await.unwrap();
    sink.finish().await.unwrap();
    assert_eq!(fs::read(store.path(&digest)).unwrap(), b"hello");
    assert_eq!(mode(&store.path(&digest)), 0o600);
    assert_eq!(
        (mode(&store.partial_dir()), mode(&store.blob_dir())),
        (0o700, 0o700)
    );
    assert_eq!(fs::read_dir(store.partial_dir()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_abandoned_download_continues_where_it_was() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    let mut first = sink(&store, digest, 5).await;
    first.write(bytes(b"hel")).await.unwrap();
    drop(first);
    let mut second = sink(&store, digest, 5).await;
    assert_eq!(second.offset(), 3);
    second.write(bytes(b"lo")).await.unwrap();
    second.finish().await.unwrap();
    store.verify(&digest).unwrap();
}

#[tokio::test]
async fn wrong_or_surplus_content_is_refused_and_removed() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    let mut wrong = sink(&store, digest, 5).await;
    wrong.write(bytes(b"hallo")).await.unwrap();
    assert!(matches!(
        wrong.finish().await,
        Err(BlobError::DigestMismatch { .. })
    ));
    let mut long = sink(&store, digest, 5).await;
    long.write(bytes(b"hello!")).await.unwrap();
    assert!(matches!(
        long.finish().await,
        Err(BlobError::TooLong { announced: 5 })
    ));
    assert_eq!(fs::read_dir(store.partial_dir()).unwrap().count(), 0);
    assert!(!store.path(&digest).exists());
}

#[tokio::test]
async fn the_second_to_claim_waits_and_finds_the_blob() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    let mut first = sink(&store, digest, 5).await;
    let mut second = Box::pin(store.claim(&digest, 5));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "the lock was not waited for");
    first.write(bytes(b"hello")).await.unwrap();
    first.finish().await.unwrap();
    assert!(matches!(second.await.unwrap(), Claim::Present));
}

#[tokio::test]
async fn a_waiter_that_gives_up_does_not_keep_the_lock() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    let first = sink(&store, digest, 5).await;
    let early = tokio::time::timeout(Duration::from_millis(50), store.claim(&digest, 5)).await;
    early.unwrap_err();
    drop(first);
    let next = tokio::time::timeout(Duration::from_secs(10), store.claim(&digest, 5)).await;
    assert!(matches!(next.unwrap().unwrap(), Claim::Mine(_)));
}

#[tokio::test]
async fn tidying_up_leaves_what_is_being_written() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    let busy = sink(&store, digest, 5).await;
    fs::write(store.partial_dir().join(Digest::of(b"old").hex()), vec![1; 8192]).unwrap();
    assert!(store.remove_partials().unwrap() >= 8192);
    assert_eq!(fs::read_dir(store.partial_dir()).unwrap().count(), 1);
    drop(busy);
}

#[test]
fn a_damaged_blob_is_found_and_removed() {
    let (_dir, store) = store();
    let (digest, size) = store.insert(&b"hello"[..], None, Path::new("-")).unwrap();
    assert!(store.contains(&digest, size).unwrap());
    fs::write(store.path(&digest), b"hallo").unwrap();
    assert!(matches!(
        store.verify(&digest),
        Err(BlobError::DigestMismatch { .. })
    ));
    assert!(!store.contains(&digest, size).unwrap());
}

#[test]
fn an_import_that_is_not_what_was_announced_leaves_nothing() {
    let (_dir, store) = store();
    let digest = Digest::of(b"hello");
    for content in [&b"hallo"[..], b"hell", b"hello!"] {
        let error = store
            .insert(content, Some((digest, 5)), Path::new("-"))
            .unwrap_err();
        assert_eq!(error.kind(), crate::kind::ImageErrorKind::DigestMismatch);
    }
    assert_eq!(fs::read_dir(store.blob_dir()).unwrap().count(), 0);
    assert_eq!(
        fs::read_dir(store.partial_dir()).unwrap().count(),
        0,
        "a short import was left"
    );
}
