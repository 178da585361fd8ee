//! Builds the agent: static, so that it runs in a guest that holds nothing else.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use fs_err as fs;

use crate::Context;
use crate::digest::FileDigest;
use crate::runtime::elf::Elf;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "-C target-feature=+crt-static -C relocation-model=static";
/// Every guest's memory holds it, and every cold boot reads it.
const LARGEST: u64 = 4 << 20;

/// The built agent.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Its program.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) digest: FileDigest,
}

/// Builds and checks it.
pub(crate) fn build(context: &Context) -> Result<Agent> {
    // A directory of its own: other flags in the common one would build everything anew each time.
    let target = context.layout.target.join("agent");
    let mut cargo = context.layout.cargo();
    cargo
        .args([
            "build",
            "--locked",
            "-p",
            "pyro-agent",
            "--profile",
            "agent",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", FLAGS);
    context.run("build agent", &mut cargo)?;

    let path = target.join(TARGET).join("agent/pyro-agent");
    ensure!(
        Elf::parse(&fs::read(&path)?)?.is_static(),
        "the agent is not static"
    );
    let digest = FileDigest::of(&path)?;
    ensure!(
        digest.size <= LARGEST,
        "the agent has {} bytes, more than {LARGEST}",
        digest.size
    );
    Ok(Agent { path, digest })
}
