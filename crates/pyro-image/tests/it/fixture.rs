//! A store, a registry with an image, and a client, put together for a test.

use std::time::Duration;

use pyro_image::{BlobStore, Image, Reference, Registry, RegistryError, RegistrySettings, RetryPolicy};
use tempfile::TempDir;

use crate::image::TestImage;
use crate::proxy::{Action, Proxy, Request};
use crate::server::DockerRegistry;

/// A store in a directory that goes away with it.
pub(crate) struct TestStore {
    pub(crate) dir: TempDir,
    pub(crate) store: BlobStore,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        Self { dir, store }
    }

    /// Lists the names of the blobs.
    pub(crate) fn blobs(&self) -> Vec<String> {
        self.list("blobs/sha256")
    }

    /// Lists the names of what is unfinished.
    pub(crate) fn partials(&self) -> Vec<String> {
        self.list("partial")
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join(dir)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Checks that the layers of the image, and nothing else, are there and are right.
    pub(crate) fn assert_holds(&self, image: &TestImage) {
        for (index, layer) in image.layers.iter().enumerate() {
            let digest = image.layer(index).parse().unwrap();
            assert_eq!(&std::fs::read(self.store.path(&digest)).unwrap(), layer);
        }
        assert_eq!(self.blobs().len(), image.layers.len());
        assert_eq!(self.partials(), Vec::<String>::new());
    }
}

/// A registry with the image `repo/image:tag` behind a relay.
pub(crate) struct Setup {
    pub(crate) image: TestImage,
    pub(crate) proxy: Proxy,
    pub(crate) store: TestStore,
    _registry: DockerRegistry,
}

impl Setup {
    pub(crate) async fn new(
        image: TestImage,
        script: impl Fn(&Request, usize) -> Action + Send + Sync + 'static,
    ) -> Self {
        let registry = DockerRegistry::start();
        image.push(&registry.address(), "repo/image", "tag", None).await;
        let proxy = Proxy::start(&registry.address(), script).await;
        Self {
            image,
            proxy,
            store: TestStore::new(),
            _registry: registry,
        }
    }

    /// Returns the image's name by its tag.
    pub(crate) fn reference(&self) -> Reference {
        reference(&format!("{}/repo/image:tag", self.proxy.address()))
    }

    /// Pulls the image with quick retries.
    pub(crate) async fn pull(&self) -> Result<Image, RegistryError> {
        self.pull_with(quick()).await
    }

    pub(crate) async fn pull_with(&self, settings: RegistrySettings) -> Result<Image, RegistryError> {
        let registry = Registry::new(settings).unwrap();
        registry.pull(&self.reference(), &self.store.store, &|_| {}).await
    }
}

/// Parses a reference.
pub(crate) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Settings whose pauses do not slow the tests down.
pub(crate) fn quick() -> RegistrySettings {
    let retry = RetryPolicy {
        first_pause: Duration::from_millis(2),
        ..RetryPolicy::default()
    };
    RegistrySettings {
        retry,
        ..RegistrySettings::default()
    }
}

/// Answers with JSON as a registry does with a manifest.
pub(crate) fn json(body: impl Into<Vec<u8>>) -> Action {
    Action::Answer {
        status: 200,
        headers: vec![],
        body: body.into(),
    }
}
