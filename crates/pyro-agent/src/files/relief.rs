//! Memory for those who walk through many files.
//!
//! Every name that is looked at leaves some 2.4 KiB behind in the kernel: it is remembered in the overlay and in what is
//! beneath it. The kernel is to let go of that when memory runs short, but gets behind where one walks fast and memory is
//! small: it takes the overlay's part first, and ends the machine ("deadlocked on memory") while most of the other could
//! still be had. So it is told before, by whoever walks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::log;

/// After how many names memory is looked at.
const STRIDE: u32 = 1024;

/// The kernel may remember names and files in one of so many parts of the memory.
const PART: u64 = 4;

/// More than `/proc/meminfo` has, in bytes.
const MEMINFO_BYTES: usize = 4096;

/// What is asked and told, once this machine is to be looked after.
static KERNEL: OnceLock<Kernel> = OnceLock::new();

/// How many names were looked at.
static TOUCHED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
struct Kernel {
    meminfo: File,
    drop_caches: File,
}

/// Looks after this machine from now on. Without it nothing is told to any kernel.
///
/// # Errors
/// When the kernel's files cannot be opened.
pub(crate) fn begin() -> io::Result<()> {
    let kernel = Kernel {
        meminfo: File::open("/proc/meminfo")?,
        drop_caches: File::options().write(true).open("/proc/sys/vm/drop_caches")?,
    };
    // It was begun before.
    drop(KERNEL.set(kernel));
    Ok(())
}

/// Is to be called for each name that somebody looks at, who may look at many.
pub(super) fn touched() {
    if TOUCHED.fetch_add(1, Ordering::Relaxed) % STRIDE != STRIDE - 1 {
        return;
    }
    let Some(kernel) = KERNEL.get() else {
        return;
    };
    if let Err(error) = kernel.relieve() {
        log::error(&format!("cannot look after the memory: {error}"));
    }
}

impl Kernel {
    fn relieve(&self) -> io::Result<()> {
        let mut text = [0; MEMINFO_BYTES];
        let length = self.meminfo.read_at(&mut text, 0)?;
        if is_short(&text[..length]) {
            // What was read is let go of too: a file with content in memory is not forgotten. Nothing unwritten is lost.
            self.drop_caches.write_all_at(b"3", 0)?;
        }
        Ok(())
    }
}

/// Whether the kernel remembers too much, by its own account.
fn is_short(meminfo: &[u8]) -> bool {
    let meminfo = String::from_utf8_lossy(meminfo);
    let (total, names) = (
        kibibytes(&meminfo, "MemTotal:"),
        kibibytes(&meminfo, "SReclaimable:"),
    );
    matches!((total, names), (Some(total), Some(names)) if names > total / PART)
}

/// How much memory something may take for a while that could do without, in bytes.
pub(super) fn to_spare() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let (total, available) = (
        kibibytes(&meminfo, "MemTotal:"),
        kibibytes(&meminfo, "MemAvailable:"),
    );
    match (total, available) {
        (Some(total), Some(available)) => 1024 * (total / 8).min(available / 4),
        _ => 0,
    }
}

/// What the kernel's account of memory says under a name (proc_meminfo(5)).
fn kibibytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_memory_can_be_spared_and_not_much() {
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = 1024 * kibibytes(&meminfo, "MemTotal:").unwrap();
        assert!((1..=total / 8).contains(&to_spare()));
    }

    #[test]
    fn a_quarter_of_the_memory_is_enough_for_names() {
        let meminfo = |names: u64| {
            format!(
                "MemTotal:         480000 kB\nMemFree:  1 kB\nSlab: 400000 kB\nSReclaimable:     {names} kB\n"
            )
        };
        assert!(!is_short(meminfo(120_000).as_bytes()));
        assert!(is_short(meminfo(120_001).as_bytes()));
        assert!(!is_short(b""));
        assert!(!is_short(b"MemTotal: x kB\nSReclaimable: 5 kB\n"));
    }
}
