//! Registries and networks that fail in the middle.

use std::time::{Duration, Instant};

use pyro_image::{ImageErrorKind, RegistryError, RegistrySettings, RetryPolicy};

use crate::fixture::{Setup, quick};
use crate::image::TestImage;
use crate::proxy::{Action, Request};

/// Does `action` to the first requests for the only layer, which is much larger than the configuration.
async fn first(count: usize, action: Action) -> Setup {
    let image = TestImage::new(1, 300_000);
    let layer = image.layer(0);
    let script = move |request: &Request, before: usize| {
        if request.is_blob_of(&layer) && before < count {
            action.clone()
        } else {
            Action::Forward
        }
    };
    Setup::new(image, script).await
}

fn ranges(setup: &Setup) -> Vec<Option<String>> {
    let layer = setup.image.layer(0);
    let requests = setup.proxy.requests();
    let downloads = requests.iter().filter(|request| request.is_blob_of(&layer));
    downloads
        .map(|request| request.header("range").map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn a_dropped_connection_is_continued_where_it_broke() {
    let setup = first(2, Action::CutAfter(100_000)).await;
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(
        ranges(&setup),
        [
            None,
            Some("bytes=100000-".to_owned()),
            Some("bytes=200000-".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_registry_without_ranges_is_read_from_the_start() {
    let image = TestImage::new(1, 300_000);
    let layer = image.layer(0);
    let script = move |request: &Request, before: usize| match (request.is_blob_of(&layer), before) {
        (true, 0) => Action::CutAfter(100_000),
        (true, _) => Action::IgnoreRange,
        _ => Action::Forward,
    };
    let setup = Setup::new(image, script).await;
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(ranges(&setup).len(), 2);
}

#[tokio::test]
async fn a_body_that_ends_early_without_saying_so_is_continued() {
    let setup = first(1, Action::ShortenTo(70_000)).await;
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(ranges(&setup)[1].as_deref(), Some("bytes=70000-"));
}

#[tokio::test]
async fn a_registry_that_always_cuts_off_fails_and_keeps_what_came() {
    let setup = first(usize::MAX, Action::CutAfter(10)).await;
    let error = setup.pull().await.unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unavailable);
    assert_eq!(setup.proxy.downloads(&setup.image.layer(0)), 5);
    assert_eq!(setup.store.partials().len(), 1);
    assert_eq!(setup.store.blobs().len(), 0);
}

#[tokio::test]
async fn a_wrong_body_is_a_digest_mismatch_and_leaves_nothing() {
    let setup = first(usize::MAX, Action::Corrupt).await;
    let error = setup.pull().await.unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::DigestMismatch, "{error:?}");
    assert!(error.to_string().contains(&setup.image.layer(0)));
    assert_eq!((setup.store.blobs().len(), setup.store.partials().len()), (0, 0));
    assert_eq!(setup.proxy.downloads(&setup.image.layer(0)), 1);
}

#[tokio::test]
async fn a_body_longer_than_announced_is_cut_off() {
    let setup = first(usize::MAX, Action::Lengthen(100_000)).await;
    let error = setup.pull().await.unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::DigestMismatch, "{error:?}");
    assert_eq!((setup.store.blobs().len(), setup.store.partials().len()), (0, 0));
}

#[tokio::test]
async fn a_damaged_earlier_download_is_thrown_away_once() {
    let setup = first(0, Action::Forward).await;
    let hex = setup.image.layer(0).replace("sha256:", "");
    std::fs::write(setup.store.dir.path().join("partial").join(hex), vec![0; 5000]).unwrap();
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(ranges(&setup), [Some("bytes=5000-".to_owned()), None]);
}

#[tokio::test]
async fn an_earlier_download_that_was_complete_is_only_verified() {
    let setup = first(usize::MAX, Action::status(500)).await;
    let hex = setup.image.layer(0).replace("sha256:", "");
    std::fs::write(
        setup.store.dir.path().join("partial").join(hex),
        &setup.image.layers[0],
    )
    .unwrap();
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(setup.proxy.downloads(&setup.image.layer(0)), 0);
}

#[tokio::test]
async fn server_errors_pass() {
    let image = TestImage::new(1, 1000);
    let setup = Setup::new(image, |_, before| {
        if before < 2 {
            Action::status(503)
        } else {
            Action::Forward
        }
    })
    .await;
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
}

#[tokio::test]
async fn server_errors_that_do_not_pass_end_the_pull() {
    let setup = Setup::new(TestImage::new(1, 1000), |_, _| Action::status(503)).await;
    let error = setup.pull().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Status { status: 503, .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ImageErrorKind::Unavailable);
    assert_eq!(setup.proxy.requests().len(), 5);
}

#[tokio::test]
async fn a_busy_registry_is_left_alone_as_long_as_it_wants() {
    let busy = Action::Answer {
        status: 429,
        headers: vec![("retry-after", "1".to_owned())],
        body: vec![],
    };
    let setup = first(1, busy).await;
    let started = Instant::now();
    setup.pull().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    setup.store.assert_holds(&setup.image);
}

#[tokio::test]
async fn a_silent_registry_is_given_up() {
    let setup = Setup::new(TestImage::new(1, 1000), |_, _| Action::Hang).await;
    let retry = RetryPolicy {
        attempts: 2,
        ..quick().retry
    };
    let read_timeout = Duration::from_millis(100);
    let error = setup
        .pull_with(RegistrySettings {
            read_timeout,
            retry,
            ..quick()
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ImageErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_stalled_layer_is_continued() {
    let setup = first(1, Action::StallAfter(50_000)).await;
    let read_timeout = Duration::from_millis(200);
    setup
        .pull_with(RegistrySettings {
            read_timeout,
            ..quick()
        })
        .await
        .unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(ranges(&setup)[1].as_deref(), Some("bytes=50000-"));
}

#[tokio::test]
async fn a_pull_that_is_dropped_is_continued_by_the_next() {
    let setup = first(1, Action::StallAfter(50_000)).await;
    let dropped = tokio::time::timeout(Duration::from_millis(500), setup.pull()).await;
    dropped.unwrap_err();
    assert_eq!(setup.store.partials().len(), 1);
    setup.pull().await.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(ranges(&setup)[1].as_deref(), Some("bytes=50000-"));
}

#[tokio::test]
async fn redirects_are_followed_on_this_machine_and_not_out_of_it() {
    let image = TestImage::new(1, 1000);
    let layer = image.layer(0);
    let script = move |request: &Request, _: usize| {
        let target = &request.target;
        if let Some(rest) = target.strip_prefix("/store") {
            assert_eq!(rest, format!("/{layer}"));
            return Action::status(404);
        }
        let place = if target.ends_with(&layer) {
            format!("/store/{layer}")
        } else {
            return Action::Forward;
        };
        Action::Answer {
            status: 307,
            headers: vec![("location", place)],
            body: vec![],
        }
    };
    let setup = Setup::new(image, script).await;
    let error = setup.pull().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Status { status: 404, .. }),
        "{error:?}"
    );

    let away = ("location", "http://192.0.2.1/blob".to_owned());
    let setup = first(
        9,
        Action::Answer {
            status: 307,
            headers: vec![away],
            body: vec![],
        },
    )
    .await;
    let error = setup.pull().await.unwrap_err();
    assert!(matches!(error, RegistryError::Redirect { .. }), "{error:?}");
}
