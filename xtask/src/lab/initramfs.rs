//! The lab's first root: busybox, the modules, and the script that finds the real root.

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::packages;
use crate::runtime::cpio::Archive;
use crate::runtime::kernel::Kernel;
use crate::runtime::modules::{Wanted, always};

/// What a host that runs pyro has of its kernel: disks and file systems, KVM, and the devices of Firecracker; and the
/// driver of the heartbeat.
pub(super) const MODULES: [Wanted; 10] = [
    always("virtio_pci"),
    always("virtio_blk"),
    always("virtio_console"),
    always("virtio_rng"),
    always("virtio_balloon"),
    always("erofs"),
    always("ext4"),
    always("overlay"),
    always("kvm_amd"),
    always("vhost_vsock"),
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
    let names: Vec<&str> = kernel.modules.iter().map(|module| module.name.as_str()).collect();
    for name in &names {
        archive.file(
            &format!("modules/{name}.ko"),
            0o644,
            fs::read(kernel.module(name))?,
        );
    }
    let order = names.join("\n") + "\n";
    archive.file("modules/order", 0o644, order.into_bytes());
    archive.finish()
}
