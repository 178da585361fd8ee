//! Assembles the dist tree: what a release contains, in the places where it looks for itself.

use anyhow::Result;
use fs_err as fs;

use crate::{Context, runtime, say};

/// Builds `bin/pyro` and `lib/pyro`.
pub(crate) fn build(context: &Context) -> Result<()> {
    say::step("pyro", || {
        let mut cargo = context.layout.cargo();
        cargo.args(["build", "--locked", "--release", "-p", "pyro-cli"]);
        context.run("build pyro", &mut cargo)?;
        install(context)
    })?;
    runtime::build(context)
}

/// Replaces the program unless it is the same: one that runs stays as it is.
fn install(context: &Context) -> Result<()> {
    let built = context.layout.target.join("release/pyro");
    let place = context.layout.pyro();
    let new = place.with_extension("new");
    fs::create_dir_all(context.layout.dist().join("bin"))?;
    fs::copy(&built, &new)?;
    fs::rename(&new, &place)?;
    Ok(())
}
