//! Debian's `docker-registry` on a loopback port.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A registry that ends with this value.
pub(crate) struct DockerRegistry {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl DockerRegistry {
    /// Starts a registry that anyone may use.
    pub(crate) fn start() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), "")
    }

    /// Starts a registry that knows one user.
    pub(crate) fn with_user(name: &str, password: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let passwords = dir.path().join("htpasswd");
        let status = Command::new("htpasswd")
            .args(["-cbB", passwords.to_str().unwrap(), name, password])
            .stderr(Stdio::null())
            .status()
            .expect("htpasswd must be installed (apache2-utils)");
        assert!(status.success());
        let auth = format!(
            "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            passwords.display()
        );
        Self::in_dir(dir, &auth)
    }

    /// Serves the content of this registry once more, behind TLS.
    pub(crate) fn behind_tls(&self, certificate: &Path, key: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(self.dir.path().join("data"), dir.path().join("data")).unwrap();
        let tls = format!(
            "  tls: {{certificate: {}, key: {}}}\n",
            certificate.display(),
            key.display()
        );
        Self::in_dir(dir, &tls)
    }

    /// Starts a registry in `dir`; `more` continues the section `http` of its configuration or begins another.
    fn in_dir(dir: TempDir, more: &str) -> Self {
        let port = free_port();
        let config = dir.path().join("config.yml");
        let data = dir.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: '127.0.0.1:{port}'\n{more}",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = spawn(&config, &dir.path().join("log"));
        let registry = Self { child, port, dir };
        registry.wait();
        registry
    }

    /// Returns `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "docker-registry does not listen: {}",
                log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn spawn(config: &Path, log: &Path) -> Child {
    let log = std::fs::File::create(log).unwrap();
    Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("docker-registry must be installed")
}

/// Finds a port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
