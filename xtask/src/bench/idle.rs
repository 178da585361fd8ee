//! What a VM costs in memory and on disk while its command waits.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use crate::bench::host::kib;
use crate::runtime::mebibytes;

/// A kind of memory or room, and what each VM has of it in MiB.
type Cost = (&'static str, Vec<f64>);

/// A VM whose command waits for a line.
struct Waiting {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

/// Starts so many VMs, looks at all of them, and ends them. The command prints a line when it is there, and ends at the
/// next line of its input.
pub(super) fn measure(count: usize, mut command: impl FnMut() -> Command) -> Result<Vec<Cost>> {
    let vms: Vec<Waiting> = (0..count)
        .map(|_| Waiting::start(command()))
        .collect::<Result<_>>()?;
    let mut costs: Vec<Cost> = [
        "the VMM's private memory",
        "the VMM's shared memory",
        "pyro itself",
        "its disk",
    ]
    .map(|name| (name, Vec::new()))
    .into();
    for vm in &vms {
        for ((_, samples), sample) in costs.iter_mut().zip(vm.costs()?) {
            samples.push(sample);
        }
    }
    vms.into_iter().try_for_each(Waiting::end)?;
    Ok(costs)
}

impl Waiting {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("a piped stdout is there")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the guest said {line:?}");
        Ok(Self { child, output })
    }

    /// Private and shared memory of the VMM, all of pyro's, and what the VM's disk takes, in MiB.
    fn costs(&self) -> Result<[f64; 4]> {
        let pyro = self.child.id();
        let children = fs::read_dir(format!("/proc/{pyro}/task"))?
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
            .collect::<String>();
        let vmm = children.split_whitespace().next().context("pyro has no VMM")?;
        let rollup = fs::read_to_string(format!("/proc/{vmm}/smaps_rollup"))?;
        let sum = |names: [&str; 2]| {
            let kibs = names.map(|name| kib(&rollup, name).unwrap_or(0));
            mebibytes(kibs.iter().sum::<u64>() << 10)
        };
        let status = fs::read_to_string(format!("/proc/{pyro}/status"))?;
        Ok([
            sum(["Private_Clean", "Private_Dirty"]),
            sum(["Shared_Clean", "Shared_Dirty"]),
            mebibytes(kib(&status, "VmRSS").unwrap_or(0) << 10),
            mebibytes(unnamed_bytes(vmm)?),
        ])
    }

    fn end(mut self) -> Result<()> {
        let mut input = self.child.stdin.take().context("a piped stdin is there")?;
        input.write_all(b"\n")?;
        drop(input);
        let mut rest = String::new();
        self.output.read_line(&mut rest)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "a VM that waited ended with {status}");
        Ok(())
    }
}

/// What the files take that this process has open and that have no name: a VM's own disk is one.
fn unnamed_bytes(process: &str) -> Result<u64> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let path = entry?.path();
        // Memory that is a file has no name either.
        let is_memory = fs::read_link(&path).is_ok_and(|target| target.starts_with("/memfd:"));
        // What was closed meanwhile is no disk.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_file() && metadata.nlink() == 0 && !is_memory {
            files.insert((metadata.dev(), metadata.ino()), metadata.blocks() * 512);
        }
    }
    Ok(files.into_values().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_name_counts_with_what_it_really_takes() {
        let before = unnamed_bytes("self").unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(1 << 30).unwrap();
        file.write_all(&[1; 1 << 16]).unwrap();
        let _second_descriptor = file.try_clone().unwrap();
        let grown = unnamed_bytes("self").unwrap() - before;
        assert!((1 << 16..1 << 20).contains(&grown), "{grown}");
    }
}
