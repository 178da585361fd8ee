//! From nothing to the first command in a VM.

use std::process::Command;

use anyhow::Result;

use crate::child::output;
use crate::{Context, dist, packages, say};

/// Installs, builds and runs.
pub(crate) fn run(context: &Context) -> Result<()> {
    packages::require(context, &[packages::RUNTIME, packages::PRODUCT].concat())?;
    dist::build(context)?;
    let pyro = context.layout.pyro();
    say::step("pyro env pull debian:12", || {
        context.run(
            "pull environment",
            Command::new(&pyro).args(["env", "pull", "debian:12"]),
        )
    })?;
    let version = say::step("pyro run debian:12 -- git --version", || {
        output(Command::new(&pyro).args(["run", "debian:12", "--", "git", "--version"]))
    })?;
    say::result(version.trim_end());
    say::note(&format!("pyro is at {}", pyro.display()));
    Ok(())
}
