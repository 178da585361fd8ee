//! Environments in the build cache: that of the tests, and the tools of the lab.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::child::output;
use crate::{Context, say};

/// The environment that the tests start VMs from.
const ENVIRONMENT: &str = "debian:12";

/// What pyro says about an environment, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Inspected {
    pub(crate) installed: bool,
    /// The image of its root file system; none where it is not installed.
    pub(crate) rootfs_image: Option<PathBuf>,
}

/// The cache directory of the tests' environment, which outlives the clone.
pub(crate) fn of_tests(context: &Context) -> PathBuf {
    context.layout.cache.join("environments")
}

/// Puts the tests' environment into its cache.
pub(crate) fn prepare(context: &Context) -> Result<()> {
    say::step("environment for tests", || {
        let cache = of_tests(context);
        if inspect(context, &cache, ENVIRONMENT).is_ok_and(|environment| environment.installed) {
            return Ok(());
        }
        let mut pull = pyro(context, &cache);
        context.run("pull environment", pull.args(["pull", ENVIRONMENT, "--json"]))
    })
}

/// Asks pyro about an environment of a cache.
pub(crate) fn inspect(context: &Context, cache: &Path, name: &str) -> Result<Inspected> {
    let text = output(pyro(context, cache).args(["inspect", name, "--json"]))?;
    serde_json::from_str(&text).with_context(|| format!("cannot read what pyro says about {name}"))
}

/// The built `pyro env`, with a cache of its own.
pub(crate) fn pyro(context: &Context, cache: &Path) -> Command {
    let mut command = Command::new(context.layout.pyro());
    command
        .arg("env")
        .env("PYRO_CACHE_DIR", cache)
        .env("PYRO_HOME", context.layout.own().join("home"));
    command
}
