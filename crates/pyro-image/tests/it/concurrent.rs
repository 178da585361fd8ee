//! Several pulls of one image at once.

use std::time::Duration;

use crate::child::Child;
use crate::fixture::Setup;
use crate::image::TestImage;
use crate::proxy::{Action, Request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_and_processes_download_each_layer_once() {
    let image = TestImage::new(3, 100_000);
    let layers: Vec<String> = (0..3).map(|index| image.layer(index)).collect();
    let known = layers.clone();
    let script = move |request: &Request, _: usize| {
        if known.iter().any(|layer| request.is_blob_of(layer)) {
            Action::Delay(Duration::from_millis(300))
        } else {
            Action::Forward
        }
    };
    let setup = Setup::new(image, script).await;
    let name = setup.reference().to_string();
    let (first, second, third) =
        tokio::join!(setup.pull(), setup.pull(), Child::new(&name, &setup.store).run());
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(third, "pulled");
    setup.store.assert_holds(&setup.image);
    let counts: Vec<usize> = layers.iter().map(|layer| setup.proxy.downloads(layer)).collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test]
async fn the_death_of_the_process_that_downloads_wakes_the_others() {
    let image = TestImage::new(1, 100_000);
    let layer = image.layer(0);
    let script = move |request: &Request, before: usize| {
        if request.is_blob_of(&layer) && before == 0 {
            Action::StallAfter(40_000)
        } else {
            Action::Forward
        }
    };
    let setup = Setup::new(image, script).await;
    let name = setup.reference().to_string();
    // Dropping the child kills it.
    let child = tokio::time::timeout(Duration::from_secs(2), Child::new(&name, &setup.store).run());
    let (killed, pulled) = tokio::join!(child, async {
        while setup.proxy.downloads(&setup.image.layer(0)) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        setup.pull().await
    });
    killed.unwrap_err();
    pulled.unwrap();
    setup.store.assert_holds(&setup.image);
    assert_eq!(
        setup.proxy.requests().last().unwrap().header("range"),
        Some("bytes=40000-")
    );
}
