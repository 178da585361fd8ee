//! Where everything is: the sources, the target directory, the dist tree, the build cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::Deserialize;

/// Variables that `cargo run` sets for this program. Passed on to another cargo they would make build scripts that
/// watch them run again.
const CARGO_RUN_PREFIXES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// The places that tasks read and write.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The workspace's sources.
    pub(crate) root: PathBuf,
    /// cargo's target directory.
    pub(crate) target: PathBuf,
    /// What outlives a clone: packages, clients for tests, environments.
    pub(crate) cache: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Layout {
    /// Asks cargo and the environment.
    pub(crate) fn discover() -> Result<Self> {
        let mut command = cargo_command();
        command.args(["metadata", "--no-deps", "--format-version=1"]);
        if let Some(here) = std::env::var_os("CARGO_MANIFEST_DIR") {
            command.current_dir(here);
        }
        let output = command.output().context("cannot run cargo metadata")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo metadata failed: {complaint}");
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).context("cannot read cargo's metadata")?;
        let cache = cache_place(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
            .context("no place for the build cache: set PYRO_BUILD_CACHE or HOME")?;
        fs::create_dir_all(&cache)?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            cache,
        })
    }

    /// The surroundings of a dist tree that came without sources, for tasks that need no more.
    pub(crate) fn of_dist(dist: &Path) -> Result<Self> {
        let dist = std::path::absolute(dist)?;
        let around = dist.parent().context("a dist tree lies in a directory")?;
        ensure!(dist.ends_with("dist"), "{} is no dist tree", dist.display());
        Ok(Self {
            root: around.into(),
            target: around.into(),
            cache: around.join("build-cache"),
        })
    }

    /// The tree that a release would contain.
    pub(crate) fn dist(&self) -> PathBuf {
        self.target.join("dist")
    }

    /// The built `pyro`, in its dist tree.
    pub(crate) fn pyro(&self) -> PathBuf {
        self.dist().join("bin/pyro")
    }

    /// Kernel, initramfs, agent and manifest, in the dist tree.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.dist().join("lib/pyro")
    }

    /// What tasks keep for themselves: logs and stamps.
    pub(crate) fn own(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// cargo, in the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo_command();
        command.current_dir(&self.root);
        command
    }

    /// Holds the build cache until the lock is dropped: several clones share it.
    pub(crate) fn lock_cache(&self) -> Result<fs::File> {
        let lock = fs::File::create(self.cache.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}

fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_cargo_run(&mut command);
    command
}

/// Keeps the variables of `cargo run` from a command that may be, or run, another cargo.
pub(crate) fn forget_cargo_run(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let of_cargo_run = name
            .to_str()
            .is_some_and(|name| CARGO_RUN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        if of_cargo_run {
            command.env_remove(name);
        }
    }
}

fn cache_place(lookup: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(own) = lookup("PYRO_BUILD_CACHE") {
        return std::path::absolute(own).ok();
    }
    // The XDG base directory specification tells to ignore relative values.
    let xdg = lookup("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute());
    let base = xdg.or_else(|| lookup("HOME").map(|home| Path::new(&home).join(".cache")))?;
    Some(base.join("pyro-build"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Option<PathBuf> {
        cache_place(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_cache_follows_the_xdg_rules() {
        assert_eq!(
            place(&[("PYRO_BUILD_CACHE", "/b"), ("HOME", "/h")]),
            Some("/b".into())
        );
        assert_eq!(
            place(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]),
            Some("/x/pyro-build".into())
        );
        assert_eq!(
            place(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]),
            Some("/h/.cache/pyro-build".into())
        );
        assert_eq!(place(&[]), None);
    }
}
