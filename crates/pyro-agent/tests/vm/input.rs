//! What the tests are given: programs of the host, and by the environment a built pyro with an environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::Failure;

/// The environment that the machines are made from.
const ENVIRONMENT: &str = "debian:12";

/// Kernel and initramfs.
#[derive(Debug)]
pub(crate) struct Runtime {
    /// The kernel.
    pub(crate) kernel: PathBuf,
    /// The agent, and modules.
    pub(crate) initramfs: PathBuf,
}

impl Runtime {
    /// Finds those that belong to the built pyro.
    pub(crate) fn find() -> Result<Self, Failure> {
        let pyro = PathBuf::from(variable("PYRO_TEST_BIN")?);
        let dist = pyro
            .parent()
            .and_then(Path::parent)
            .ok_or("PYRO_TEST_BIN is in no dist tree")?;
        let file = |name: &str| {
            let path = dist.join("lib/pyro").join(name);
            path.is_file().then_some(path).ok_or_else(|| {
                format!(
                    "there is no {name} beside {}: run `cargo xtask dist`",
                    pyro.display()
                )
            })
        };
        Ok(Self {
            kernel: file("vmlinux")?,
            initramfs: file("initramfs.cpio")?,
        })
    }
}

/// The root image of the installed environment.
pub(crate) fn environment_image() -> Result<PathBuf, Failure> {
    let mut pyro = Command::new(variable("PYRO_TEST_BIN")?);
    pyro.args(["env", "inspect", ENVIRONMENT, "--json"])
        .env("PYRO_CACHE_DIR", variable("PYRO_TEST_CACHE")?);
    let environment: serde_json::Value = serde_json::from_slice(&output(&mut pyro)?)?;
    let image = environment["rootfs_image"].as_str().map(PathBuf::from);
    image
        .filter(|image| image.is_file())
        .ok_or_else(|| format!("{ENVIRONMENT} is not installed in PYRO_TEST_CACHE").into())
}

/// The path of a program of the host.
pub(crate) fn program(name: &str, package: &str) -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Not everyone's PATH names where Debian keeps the tools for disks.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = places
        .map(|place| place.join(name))
        .find(|program| program.is_file());
    found.ok_or_else(|| format!("`{name}` is missing: `apt-get install {package}`").into())
}

/// What a command prints; a failure of it is a failure.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        return Err(format!("{command:?}: {}: {told}{complaint}", output.status).into());
    }
    Ok(output.stdout)
}

fn variable(name: &str) -> Result<OsString, Failure> {
    std::env::var_os(name).ok_or_else(|| format!("{name} is not set; `cargo xtask test` sets it").into())
}
