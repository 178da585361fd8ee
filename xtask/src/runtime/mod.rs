//! The guest's side of pyro: kernel, modules and agent, as `lib/pyro/{vmlinux,initramfs.cpio,manifest.json}`.

mod agent;
mod bzimage;
pub(crate) mod cpio;
pub(crate) mod elf;
mod initramfs;
pub(crate) mod kernel;
pub(crate) mod modules;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::{self, FileDigest};
use crate::{Context, say};

/// Raised when the same inputs shall give other files.
const FORMAT: &str = "2";

const VMLINUX: &str = "vmlinux";
const INITRAMFS: &str = "initramfs.cpio";
const MANIFEST: &str = "manifest.json";

/// What pyro checks the files against when it first uses them.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    pyro_version: String,
    kernel_release: String,
    files: BTreeMap<String, FileDigest>,
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
        publish(&dir, VMLINUX, &fs::read(kernel.vmlinux())?)?;
        publish(&dir, INITRAMFS, &initramfs::build(&kernel, &agent.path)?)?;
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
        };
        let mut json = serde_json::to_vec_pretty(&manifest)?;
        json.push(b'\n');
        publish(&dir, MANIFEST, &json)?;
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
        manifest.files.iter().all(|(name, digest)| {
            fs::metadata(dir.join(name)).is_ok_and(|metadata| metadata.len() == digest.size)
        })
    })
}

/// Puts a file in place at once: a VM may be about to start from the old one.
fn publish(dir: &Path, name: &str, content: &[u8]) -> Result<()> {
    let new = dir.join(format!(".{name}.new"));
    fs::write(&new, content)?;
    fs::rename(new, dir.join(name))?;
    Ok(())
}

/// For people.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
