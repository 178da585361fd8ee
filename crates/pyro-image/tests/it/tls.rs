//! Registries behind TLS. A proxy leads every name to one registry that has a certificate for the names in question.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::child::Child;
use crate::fixture::TestStore;
use crate::image::TestImage;
use crate::proxy::{Action, Proxy};
use crate::server::DockerRegistry;

/// A registry behind TLS that its clients reach through a proxy.
struct TlsSetup {
    dir: TempDir,
    proxy: Proxy,
    image: TestImage,
    registries: [DockerRegistry; 2],
}

impl TlsSetup {
    /// Offers `library/debian:12` under the names.
    async fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(&dir, names);
        let plain = DockerRegistry::start();
        let image = TestImage::new(2, 50_000);
        image.push(&plain.address(), "library/debian", "12", None).await;
        let secure = plain.behind_tls(&dir.path().join("leaf.pem"), &dir.path().join("key.pem"));
        let proxy = Proxy::start(&secure.address(), |_, _| Action::Tunnel).await;
        Self {
            dir,
            proxy,
            image,
            registries: [plain, secure],
        }
    }

    fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    fn child(&self, name: &str, store: &TestStore) -> Child {
        Child::new(name, store).proxy(&format!("http://{}", self.proxy.address()))
    }
}

fn certificates(dir: &TempDir, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let files = [
        ("authority.pem", authority.pem()),
        ("leaf.pem", leaf.pem()),
        ("key.pem", key.serialize_pem()),
    ];
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
}

#[tokio::test]
async fn a_trusted_registry_is_pulled_from_through_the_proxy() {
    let (setup, store) = (TlsSetup::new(&["registry.test"]).await, TestStore::new());
    let name = "registry.test/library/debian:12";
    assert_eq!(
        setup.child(name, &store).trust(&setup.authority()).run().await,
        "pulled"
    );
    store.assert_holds(&setup.image);
    assert_eq!(setup.proxy.requests()[0].target, "registry.test:443");
}

#[tokio::test]
async fn a_registry_that_cannot_prove_its_name_gets_nothing() {
    let (setup, store) = (TlsSetup::new(&["registry.test"]).await, TestStore::new());
    let outcome = setup
        .child("other.test/library/debian:12", &store)
        .trust(&setup.authority())
        .run()
        .await;
    assert!(outcome.starts_with("Unreachable"), "{outcome}");
    let outcome = setup.child("registry.test/library/debian:12", &store).run().await;
    assert!(
        outcome.starts_with("Unreachable"),
        "not trusted by the host: {outcome}"
    );
}

#[tokio::test]
async fn a_host_without_certificates_reaches_loopback_registries_only() {
    let (setup, store) = (TlsSetup::new(&["registry.test"]).await, TestStore::new());
    let nothing = setup.dir.path().join("nothing.pem");
    let outcome = setup
        .child("registry.test/library/debian:12", &store)
        .trust(&nothing)
        .run()
        .await;
    assert!(outcome.starts_with("Unreachable"), "{outcome}");
    let name = format!("{}/library/debian:12", setup.registries[0].address());
    assert_eq!(setup.child(&name, &store).trust(&nothing).run().await, "pulled");
}

#[tokio::test]
async fn docker_hub_delivers_what_the_mirror_does_not() {
    let setup = TlsSetup::new(&["registry-1.docker.io"]).await;
    let (empty, store) = (DockerRegistry::start(), TestStore::new());
    let child = setup
        .child("debian:12", &store)
        .trust(&setup.authority())
        .mirror(&empty.address());
    assert_eq!(child.run().await, "pulled");
    store.assert_holds(&setup.image);
}
