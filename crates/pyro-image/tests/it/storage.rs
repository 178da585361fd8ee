//! A host without room, and a host with another idea of modes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::child::Child;
use crate::fixture::Setup;
use crate::image::TestImage;
use crate::proxy::Action;

async fn setup() -> Setup {
    Setup::new(TestImage::new(1, 1_000_000), |_, _| Action::Forward).await
}

/// The limit on file sizes is the one way to run out of room that every user has; the signal that comes with it is
/// ignored, so that the write fails as on a full disk.
#[tokio::test]
async fn a_host_without_room_is_named_and_the_pull_can_go_on_later() {
    let setup = setup().await;
    let name = setup.reference().to_string();
    let script = r#"trap '' XFSZ; ulimit -f 512; exec "$@""#;
    let outcome = Child::in_shell(script, &name, &setup.store).run().await;
    assert!(
        outcome.starts_with("HostIo") && outcome.contains("FileTooLarge"),
        "{outcome}"
    );
    assert_eq!(setup.store.blobs(), Vec::<String>::new());
    assert_eq!(setup.store.partials().len(), 1);
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    let last = setup.proxy.requests().pop().unwrap();
    assert_eq!(
        last.header("range"),
        Some("bytes=262144-"),
        "the earlier bytes were fetched again"
    );
}

#[tokio::test]
async fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "077", "777"] {
        let setup = setup().await;
        let name = setup.reference().to_string();
        // The store's own directories are made by the child.
        std::fs::remove_dir_all(setup.store.dir.path().join("blobs")).unwrap();
        std::fs::remove_dir_all(setup.store.dir.path().join("partial")).unwrap();
        let script = format!(r#"umask {umask}; exec "$@""#);
        assert_eq!(
            Child::in_shell(&script, &name, &setup.store).run().await,
            "pulled"
        );
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = setup.store.dir.path();
        for private in ["blobs", "blobs/sha256", "partial"] {
            assert_eq!(mode(&dir.join(private)), 0o700);
        }
        let layer = setup.image.layer(0).parse().unwrap();
        assert_eq!(mode(&setup.store.store.path(&layer)), 0o600);
    }
}
