//! The guest's side of pyro: kernel, modules and agent, as `lib/pyro/{vmlinux,initramfs.cpio,manifest.json}`; and the
//! agent once more beside them, for commands that run without a guest.

mod agent;
mod bzimage;
pub(crate) mod cpio;
pub(crate) mod elf;
mod initramfs;
pub(crate) mod kernel;
pub(crate) mod modules;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::{self, FileDigest};
use crate::{Context, say};

/// Raised when the same inputs shall give other files.
const FORMAT: &str = "3";

const VMLINUX: &str = "vmlinux";
const INITRAMFS: &str = "initramfs.cpio";
const AGENT: &str = "pyro-agent";
const MANIFEST: &str = "manifest.json";

/// What pyro checks the files against when it first uses them.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    pyro_version: String,
    kernel_release: String,
    /// What every guest needs.
    files: BTreeMap<String, FileDigest>,
    /// The program of commands without a guest: not among the files, as no guest waits for its digest.
    agent: FileDigest,
}

/// Brings the runtime directory of the dist tree up to date.
pub(crate) fn build(context: &Context) -> Result<()> {
    let kernel = say::step("guest kernel", || kernel::prepare(context, &modules::WANTED))?;
    let agent = say::step("guest agent", || agent::build(context))?;
    let dir = context.layout.runtime();
    let stamp = context.layout.own().join("runtime.inputs");
    let inputs = digest::of_parts([
        FORMAT,
        &kernel.id,
        &agent.digest.sha256,
        env!("CARGO_PKG_VERSION"),
    ]);
    if fs::read_to_string(&stamp).is_ok_and(|done| done == inputs) && is_whole(&dir) {
        return Ok(());
    }
    say::step("guest initramfs", || {
        fs::create_dir_all(&dir)?;
        publish(&dir, VMLINUX, 0o644, &fs::read(kernel.vmlinux())?)?;
        publish(&dir, INITRAMFS, 0o644, &initramfs::build(&kernel, &agent.path)?)?;
        publish(&dir, AGENT, 0o755, &fs::read(&agent.path)?)?;
        let files = [VMLINUX, INITRAMFS].map(|name| {
            let digest = FileDigest::of(&dir.join(name))?;
            say::note(&format!("{name}: {:.1} MiB", mebibytes(digest.size)));
            Ok((name.to_owned(), digest))
        });
        let manifest = Manifest {
            format: 1,
            pyro_version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel_release: kernel.release.clone(),
            files: files.into_iter().collect::<Result<_>>()?,
            agent: agent.digest,
        };
        let mut json = serde_json::to_vec_pretty(&manifest)?;
        json.push(b'\n');
        publish(&dir, MANIFEST, 0o644, &json)?;
        fs::write(&stamp, inputs)?;
        Ok(())
    })
}

/// Whether the directory holds what its manifest says, as far as sizes tell.
fn is_whole(dir: &Path) -> bool {
    let Ok(bytes) = fs::read(dir.join(MANIFEST)) else {
        return false;
    };
    serde_json::from_slice::<Manifest>(&bytes).is_ok_and(|manifest| {
        let files = manifest
            .files
            .iter()
            .map(|(name, digest)| (name.as_str(), digest));
        files
            .chain([(AGENT, &manifest.agent)])
            .all(|(name, digest)| fs::metadata(dir.join(name)).is_ok_and(|file| file.len() == digest.size))
    })
}

/// Puts a file in place at once: a VM may be about to start from the old one.
fn publish(dir: &Path, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let new = dir.join(format!(".{name}.new"));
    fs::write(&new, content)?;
    fs::set_permissions(&new, Permissions::from_mode(mode))?;
    fs::rename(new, dir.join(name))?;
    Ok(())
}

/// For people.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
