//! Where and of what the figures are.

use std::fmt;
use std::process::Command;

use anyhow::Result;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::child::output;

/// What figures depend on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Host {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    qemu: Option<String>,
    firecracker: Option<String>,
    pyro: String,
    /// With `-dirty` where the sources differ from it.
    commit: Option<String>,
    date: String,
    /// The isolation that the guests really had.
    pub(crate) tier: Option<String>,
}

impl Host {
    /// Asks the host.
    pub(crate) fn look(context: &Context, tier: Option<String>) -> Result<Self> {
        let root = &context.layout.root;
        let mut describe = Command::new("git");
        describe
            .args(["describe", "--always", "--dirty", "--exclude=*"])
            .current_dir(root);
        let version = |program: &str| {
            let text = output(Command::new(program).arg("--version")).ok()?;
            text.lines().next().map(str::to_owned)
        };
        Ok(Self {
            cpu: field(&fs::read_to_string("/proc/cpuinfo")?, "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: memory_mib(&fs::read_to_string("/proc/meminfo")?),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            qemu: version("qemu-system-x86_64"),
            firecracker: version("firecracker"),
            pyro: output(Command::new(context.layout.pyro()).arg("--version"))?
                .trim()
                .to_owned(),
            commit: output(&mut describe).ok().map(|text| text.trim().to_owned()),
            date: output(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))?
                .trim()
                .to_owned(),
            tier,
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
        writeln!(f, "{} at {}, {}", self.pyro, unknown(&self.commit), self.date)?;
        writeln!(
            f,
            "{} × {}, {} MiB, Linux {}",
            self.cores, self.cpu, self.memory_mib, self.kernel
        )?;
        if let Some(firecracker) = &self.firecracker {
            writeln!(f, "{firecracker}")?;
        }
        writeln!(f, "{}, tier {}", unknown(&self.qemu), unknown(&self.tier))
    }
}

/// The value of the first `name : value`.
pub(crate) fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// A size in `/proc`, as in `MemTotal:  2048 kB`, in KiB.
pub(crate) fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.strip_suffix(" kB")?.parse().ok()
}

fn memory_mib(meminfo: &str) -> u64 {
    kib(meminfo, "MemTotal").unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_read() {
        assert_eq!(
            field("a: 1\nmodel name\t: Fast CPU\n", "model name").as_deref(),
            Some("Fast CPU")
        );
        assert_eq!(memory_mib("MemTotal:        2097152 kB\nMemFree: 1 kB\n"), 2048);
    }
}
