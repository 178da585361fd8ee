//! The lab's first root: busybox, the modules, and the script that finds the real root.

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::packages;
use crate::runtime::cpio::Archive;
use crate::runtime::kernel::Kernel;

/// What a host that runs pyro has of its kernel: disks and file systems, KVM, and the devices of Firecracker.
pub(super) const MODULES: [&str; 9] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "erofs",
    "ext4",
    "overlay",
    "kvm_amd",
    "vhost_vsock",
];
const DIRECTORIES: [&str; 9] = [
    "bin", "dev", "lower", "modules", "proc", "run", "sys", "sysroot", "store",
];
const INIT: &str = include_str!("boot.sh");

/// The archive.
pub(super) fn build(kernel: &Kernel) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for name in DIRECTORIES {
        archive.directory(name, 0o755);
    }
    archive.character_device("dev/console", 0o600, (5, 1));
    archive.character_device("dev/null", 0o666, (1, 3));
    archive.file("init", 0o755, INIT.into());
    let busybox = packages::find("busybox").context("no busybox")?;
    archive.file("bin/busybox", 0o755, fs::read(busybox)?);
    for name in &kernel.modules {
        archive.file(
            &format!("modules/{name}.ko"),
            0o644,
            fs::read(kernel.module(name))?,
        );
    }
    let order = kernel.modules.join("\n") + "\n";
    archive.file("modules/order", 0o644, order.into_bytes());
    archive.finish()
}
