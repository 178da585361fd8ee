//! Builds the wheel of the Python package: its sources, the native module, and the dist tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;
use fs_err as fs;

use crate::layout::forget_cargo_run;
use crate::test::clients;
use crate::{Context, dist, packages, say};

/// What builds wheels, from PyPI.
const MATURIN: [&str; 1] = ["maturin==1.16.0"];

/// The profile of a wheel that is released: a panic becomes an exception instead of the interpreter's end.
const RELEASE: &str = "wheel";

/// What is built of it without optimisation, in a fraction of the time.
pub(crate) const DEV: &str = "dev";

/// Which wheel to build.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Without optimisation, and of the dist tree that is there.
    #[arg(long)]
    dev: bool,
}

/// Builds the wheel, and says where it is.
pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    packages::require(context, &[packages::RUNTIME, packages::PYTHON].concat())?;
    let profile = if options.dev {
        DEV
    } else {
        dist::build(context)?;
        RELEASE
    };
    let wheel = build(context, profile, &context.layout.target.join("wheels"))?;
    say::note(&format!("{}", wheel.display()));
    Ok(())
}

/// Builds the wheel into an empty directory. The dist tree must be there.
pub(crate) fn build(context: &Context, profile: &str, out: &Path) -> Result<PathBuf> {
    let tools = {
        let _lock = context.layout.lock_cache()?;
        clients::install_python(context, "maturin", &MATURIN)?
    };
    say::step("wheel", || {
        let package = context.layout.root.join("python");
        place_dist(context, &package.join("pyro_mcp/_dist"))?;
        clients::ignore_missing(fs::remove_dir_all(out))?;
        fs::create_dir_all(out)?;
        let mut maturin = Command::new(tools);
        forget_cargo_run(&mut maturin);
        maturin
            .args([
                "-m",
                "maturin",
                "build",
                "--locked",
                "--profile",
                profile,
                "--out",
            ])
            .arg(out)
            .current_dir(package)
            .env("CARGO_TARGET_DIR", &context.layout.target);
        context.run("wheel", &mut maturin)?;
        let mut files = fs::read_dir(out)?;
        let wheel = files.next().context("maturin made no wheel")??;
        Ok(wheel.path())
    })
}

/// Puts the dist tree where the package has it; the same files, where the file system can.
fn place_dist(context: &Context, place: &Path) -> Result<()> {
    clients::ignore_missing(fs::remove_dir_all(place))?;
    let dist = context.layout.dist();
    for dir in ["bin", "lib/pyro"] {
        fs::create_dir_all(place.join(dir))?;
        for file in fs::read_dir(dist.join(dir))? {
            let (from, to) = {
                let file = file?;
                (file.path(), place.join(dir).join(file.file_name()))
            };
            if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to)?;
            }
        }
    }
    Ok(())
}
