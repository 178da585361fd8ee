//! What a VM costs in memory while its command waits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use crate::bench::host::kib;
use crate::runtime::mebibytes;

/// A kind of memory, and what each VM has of it in MiB.
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
    ]
    .map(|name| (name, Vec::new()))
    .into();
    for vm in &vms {
        for ((_, samples), sample) in costs.iter_mut().zip(vm.memory()?) {
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

    /// Private and shared memory of the VMM, and all of pyro's, in MiB.
    fn memory(&self) -> Result<[f64; 3]> {
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
