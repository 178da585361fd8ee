//! The lab's root file system: Debian with what pyro and its tests need of a host.
//!
//! It is an environment like any other, so pyro makes it: from the distribution's packages, into one EROFS file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::child::output;
use crate::environments::{inspect, pyro};
use crate::{Context, digest, say};

/// The name of the environment, in a cache of its own.
const NAME: &str = "lab";
/// What it adds to.
const BASE: &str = "debian:12-base";
/// The packages, and with that what tests in the lab may use of their host.
const PACKAGES: [&str; 7] = [
    "busybox-static",
    "e2fsprogs",
    "git",
    "kmod",
    "mount",
    "qemu-system-x86",
    "umoci",
];

/// The image, made anew when the recipe or the packages changed.
pub(super) fn prepare(context: &Context) -> Result<PathBuf> {
    let _lock = context.layout.lock_cache()?;
    let cache = context.layout.cache.join("lab");
    fs::create_dir_all(&cache)?;
    let offered = output(
        Command::new("apt-cache")
            .args(["show", "--no-all-versions"])
            .args(PACKAGES),
    )?;
    let recipe = digest::of_parts([BASE, &offered].into_iter().chain(PACKAGES));
    let stamp = cache.join("recipe");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == recipe)
        && let Ok(image) = installed(context, &cache)
    {
        return Ok(image);
    }
    say::step("tools for the lab", || {
        let mut build = pyro(context, &cache);
        build.args(["build", BASE, "--name", NAME, "--json"]);
        for package in PACKAGES {
            build.args(["--package", package]);
        }
        context.run("build lab", &mut build)?;
        context.run("prune lab", pyro(context, &cache).args(["prune", "--json"]))?;
        let image = installed(context, &cache)?;
        fs::write(&stamp, &recipe)?;
        Ok(image)
    })
}

fn installed(context: &Context, cache: &Path) -> Result<PathBuf> {
    let image = inspect(context, cache, NAME)?.rootfs_image;
    let image = image.filter(|path| path.exists());
    image.context("the lab's environment has no image")
}
