//! What is in the first root of a guest.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use crate::runtime::cpio::Archive;
use crate::runtime::kernel::Kernel;
use crate::runtime::modules::Module;

/// Where the agent mounts things; it makes what else it needs.
const DIRECTORIES: [&str; 9] = [
    "dev", "disk", "lower", "modules", "proc", "run", "sys", "sysroot", "tmp",
];

/// The archive with the agent as `/init`, and the modules with the order to load them in.
pub(crate) fn build(kernel: &Kernel, agent: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for name in DIRECTORIES {
        archive.directory(name, 0o755);
    }
    // The kernel opens it as the standard streams of `/init`, before anything is mounted.
    archive.character_device("dev/console", 0o600, (5, 1));
    archive.character_device("dev/null", 0o666, (1, 3));
    archive.file("init", 0o755, fs::read(agent)?);
    let mut order = String::new();
    for Module { name, bus } in &kernel.modules {
        archive.file(
            &format!("modules/{name}.ko"),
            0o644,
            fs::read(kernel.module(name))?,
        );
        let line = [name, bus.as_deref().unwrap_or_default()].join(" ");
        order.push_str(line.trim_end());
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.into_bytes());
    archive.finish()
}
