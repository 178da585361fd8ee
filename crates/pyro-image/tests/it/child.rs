//! Pulls in a process of its own: this test binary, started again for the one test that reads the variables below.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use pyro_image::{BlobStore, Registry, RegistrySettings};
use tokio::process::Command;

use crate::fixture::{TestStore, quick, reference};

const REFERENCE: &str = "PYRO_TEST_CHILD_REFERENCE";
const STORE: &str = "PYRO_TEST_CHILD_STORE";
const CONFIG: &str = "PYRO_TEST_CHILD_CONFIG";
const MIRROR: &str = "PYRO_TEST_CHILD_MIRROR";
const PROXY: &str = "PYRO_TEST_CHILD_PROXY";
const MARK: &str = "outcome: ";

/// A pull that is to run in a process of its own.
pub(crate) struct Child {
    command: Command,
}

impl Child {
    pub(crate) fn new(name: &str, store: &TestStore) -> Self {
        Self::under(&[], name, store)
    }

    /// Runs the pull by way of a shell script, to which `"$@"` is the pull.
    pub(crate) fn in_shell(script: &str, name: &str, store: &TestStore) -> Self {
        Self::under(&["sh", "-c", script, "sh"], name, store)
    }

    fn under(wrapper: &[&str], name: &str, store: &TestStore) -> Self {
        let binary = std::env::current_exe().unwrap();
        let own = [
            binary.to_str().unwrap(),
            "--exact",
            "child::the_pull_of_a_child",
            "--nocapture",
        ];
        let words: Vec<&str> = wrapper.iter().chain(&own).copied().collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env(REFERENCE, name)
            .env(STORE, store.dir.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        Self { command }
    }

    pub(crate) fn docker_config(mut self, dir: &Path) -> Self {
        self.command.env(CONFIG, dir);
        self
    }

    pub(crate) fn mirror(mut self, mirror: &str) -> Self {
        self.command.env(MIRROR, mirror);
        self
    }

    pub(crate) fn proxy(mut self, url: &str) -> Self {
        self.command.env(PROXY, url);
        self
    }

    /// Trusts this certificate instead of the host's.
    pub(crate) fn trust(mut self, certificate: &Path) -> Self {
        self.command
            .env("SSL_CERT_FILE", certificate)
            .env("SSL_CERT_DIR", "/nonexistent");
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.command.env("PATH", path);
        self
    }

    /// Waits for the end and returns `pulled`, or the kind of error and its text.
    pub(crate) async fn run(mut self) -> String {
        let output = self.command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = text.lines().find_map(|line| line.split_once(MARK));
        said.unwrap_or_else(|| panic!("no outcome: {output:?}"))
            .1
            .to_owned()
    }
}

/// Does nothing unless another test started this process for it.
#[tokio::test]
async fn the_pull_of_a_child() {
    let Some(name) = std::env::var_os(REFERENCE) else {
        return;
    };
    let store = BlobStore::open(std::env::var_os(STORE).unwrap()).unwrap();
    let settings = RegistrySettings {
        docker_config_dir: std::env::var_os(CONFIG).map(PathBuf::from),
        mirror: std::env::var(MIRROR).ok(),
        https_proxy: std::env::var(PROXY).ok(),
        ..quick()
    };
    let registry = Registry::new(settings).unwrap();
    let outcome = registry
        .pull(&reference(name.to_str().unwrap()), &store, &|_| {})
        .await;
    match outcome {
        Ok(_) => println!("\n{MARK}pulled"),
        Err(error) => println!(
            "\n{MARK}{:?} {error} {:?}",
            error.kind(),
            std::error::Error::source(&error)
        ),
    }
}
