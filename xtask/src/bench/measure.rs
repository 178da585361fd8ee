//! The measurements.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::Deserialize;

use crate::bench::host::kib;
use crate::bench::series::Measurement;
use crate::bench::{Counts, Options, idle};
use crate::child::output;
use crate::environments::Inspected;
use crate::{Context, say};

/// How often what needs no VM is measured.
pub(super) const QUICK_RUNS: u32 = 50;
/// How many VMs are looked at while they wait.
const IDLE_VMS: usize = 4;
/// How much a guest prints for its throughput, in MiB.
const OUTPUT_MIB: u32 = 1024;

/// Measurements in the making.
pub(crate) struct Bench<'a> {
    context: &'a Context,
    options: &'a Options,
    counts: Counts,
    measurements: Vec<Measurement>,
    tier: Option<String>,
}

/// What `pyro run --json` says that is measured.
#[derive(Debug, Deserialize)]
struct RunReport {
    isolation: String,
    boot_ms: f64,
    duration_ms: f64,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// What `pyro df --json` says that is measured.
#[derive(Debug, Deserialize)]
struct DiskUsage {
    templates: Vec<UsageEntry>,
}

#[derive(Debug, Deserialize)]
struct UsageEntry {
    name: String,
    used_bytes: u64,
}

impl<'a> Bench<'a> {
    /// Nothing measured yet.
    pub(crate) fn new(context: &'a Context, options: &'a Options) -> Self {
        Self {
            context,
            options,
            counts: options.counts(),
            measurements: Vec::new(),
            tier: None,
        }
    }

    /// What was asked for.
    pub(super) fn options(&self) -> &Options {
        self.options
    }

    /// Where it runs.
    pub(super) fn context(&self) -> &Context {
        self.context
    }

    /// How often a workspace is made, reset, stopped and started.
    pub(super) fn workspace_runs(&self) -> u32 {
        self.counts.workspace_runs
    }

    /// How often trees are moved and compared.
    pub(super) fn tree_runs(&self) -> u32 {
        self.counts.tree_runs
    }

    /// Where something may be put for a while.
    pub(super) fn own(&self) -> PathBuf {
        self.context.layout.own()
    }

    /// The isolation that the guests had.
    pub(crate) fn tier(&self) -> Option<String> {
        self.tier.clone()
    }

    /// All that was measured.
    pub(crate) fn finish(self) -> Vec<Measurement> {
        self.measurements
    }

    /// How large the product is.
    pub(crate) fn sizes(&mut self) -> Result<()> {
        let layout = &self.context.layout;
        let files = [
            ("size of pyro", layout.pyro()),
            (
                "size of the agent",
                layout
                    .target
                    .join("agent/x86_64-unknown-linux-gnu/agent/pyro-agent"),
            ),
            ("size of the initramfs", layout.runtime().join("initramfs.cpio")),
            ("size of the kernel", layout.runtime().join("vmlinux")),
        ];
        // A dist tree that was built elsewhere has no agent by itself.
        for (name, path) in files.iter().filter(|(_, path)| path.exists()) {
            let size = crate::runtime::mebibytes(fs::metadata(path)?.len());
            self.add(name, "MiB", &[size]);
        }
        Ok(())
    }

    /// Commands that start nothing.
    pub(crate) fn listings(&mut self) -> Result<()> {
        for words in [&["--version"][..], &["env", "list"]] {
            let name = format!("pyro {}", words.join(" "));
            let samples = say::step(&name, || {
                sample(QUICK_RUNS, || {
                    let started = Instant::now();
                    output(self.pyro().args(words))?;
                    Ok(milliseconds(started.elapsed()))
                })
            })?;
            self.add(&name, "ms", &samples);
        }
        Ok(())
    }

    /// The guests' environment must be there before they are measured.
    pub(crate) fn environment(&self) -> Result<()> {
        say::step("environment", || {
            let name = &self.options.environment;
            let inspected = output(self.pyro().args(["env", "inspect", name, "--json"]));
            let inspected = inspected.map(|text| serde_json::from_str::<Inspected>(&text));
            if matches!(inspected, Ok(Ok(Inspected { installed: true, .. }))) {
                return Ok(());
            }
            let mut pull = self.pyro();
            self.context
                .run("pull environment", pull.args(["env", "pull", name]))
        })
    }

    /// A command that does nothing, in a VM of its own, with the phases that pyro reports: restored from a template, and
    /// spread in between, booted cold.
    pub(crate) fn runs(&mut self) -> Result<()> {
        let name = format!("run {} -- true", self.options.environment);
        let Counts { runs, cold_runs, .. } = self.counts;
        let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        say::step(&name, || {
            // The first one makes the template, which is neither.
            self.run_true(&name, true, &mut BTreeMap::new())?;
            for index in 0..runs.max(cold_runs) {
                if index < runs {
                    self.run_true(&name, true, &mut series)?;
                }
                if is_among(index, cold_runs, runs.max(cold_runs)) {
                    self.run_true(&name, false, &mut series)?;
                }
            }
            Ok(())
        })?;
        for (name, samples) in series {
            self.add(&name, "ms", &samples);
        }
        Ok(())
    }

    fn run_true(
        &mut self,
        name: &str,
        with_template: bool,
        series: &mut BTreeMap<String, Vec<f64>>,
    ) -> Result<()> {
        let mut command = self.run_command();
        command.args(["--json", "--", "true"]);
        command.env("PYRO_TEMPLATES", if with_template { "on" } else { "off" });
        let started = Instant::now();
        let text = output(&mut command)?;
        let elapsed = milliseconds(started.elapsed());
        let report: RunReport = serde_json::from_str(&text).context("cannot read what pyro run reports")?;
        let start = report.metadata.get("start_kind").map_or("", String::as_str);
        let whole = ("whole process".to_owned(), elapsed);
        for (phase, time) in std::iter::once(whole).chain(report.phases()) {
            let key = [name, start, &phase].join(" ");
            series.entry(key).or_default().push(time);
        }
        self.tier = Some(report.isolation);
        Ok(())
    }

    /// The same in several VMs at once: the time of each, and until the last had ended.
    pub(crate) fn at_once(&mut self) -> Result<()> {
        let count = self.counts.at_once;
        if count == 0 {
            return Ok(());
        }
        let name = format!("{count} at once");
        let started = Instant::now();
        let each = say::step(&name, || {
            std::thread::scope(|scope| {
                let runs: Vec<_> = (0..count)
                    .map(|_| {
                        scope.spawn(|| -> Result<f64> {
                            let started = Instant::now();
                            output(self.run_command().args(["--json", "--", "true"]))?;
                            Ok(milliseconds(started.elapsed()))
                        })
                    })
                    .collect();
                let times = runs
                    .into_iter()
                    .map(|run| run.join().expect("a run does not panic"));
                times.collect::<Result<Vec<f64>>>()
            })
        })?;
        let all = milliseconds(started.elapsed());
        self.add(&format!("{name}: each"), "ms", &each);
        self.add(&format!("{name}: until the last ended"), "ms", &[all]);
        Ok(())
    }

    /// What the template of these VMs takes on disk.
    pub(crate) fn template(&mut self) -> Result<()> {
        let text = output(self.pyro().args(["df", "--json"]))?;
        let usage: DiskUsage = serde_json::from_str(&text).context("cannot read what pyro df reports")?;
        // Others of the same environment are of another size, or of a runtime that was before.
        let prefix = format!("{}: 1 vCPU, 1024 MiB", self.options.environment);
        let found = usage
            .templates
            .iter()
            .filter(|entry| entry.name.starts_with(&prefix));
        let sizes: Vec<f64> = found
            .map(|entry| crate::runtime::mebibytes(entry.used_bytes))
            .collect();
        self.add("template on disk", "MiB", &sizes);
        Ok(())
    }

    /// What VMs that wait for input cost in memory and on disk.
    pub(crate) fn idle(&mut self) -> Result<()> {
        let costs = say::step("idle VMs", || {
            idle::measure(IDLE_VMS, || {
                let mut command = self.run_command();
                command.args(["-q", "-i", "--", "sh", "-c", "echo ready; read -r line"]);
                command
            })
        })?;
        for (name, samples) in costs {
            self.add(&format!("idle VM: {name}"), "MiB", &samples);
        }
        Ok(())
    }

    /// Much output through the whole way, and what pyro needs of memory for it.
    pub(crate) fn throughput(&mut self) -> Result<()> {
        let mut memory = Vec::new();
        let rates = say::step("output of 1 GiB", || {
            sample(self.counts.throughput_runs, || {
                let (rate, peak) = self.stream_output()?;
                memory.push(peak);
                Ok(rate)
            })
        })?;
        self.add("output of 1 GiB", "MiB/s", &rates);
        self.add("output of 1 GiB: peak memory of pyro", "MiB", &memory);
        Ok(())
    }

    /// The rate in MiB/s over the whole run, start included, and pyro's peak memory in MiB.
    fn stream_output(&self) -> Result<(f64, f64)> {
        let expected = u64::from(OUTPUT_MIB) << 20;
        let script = format!("head -c {expected} /dev/zero");
        let started = Instant::now();
        let mut child = self
            .run_command()
            .args(["--", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdout = child.stdout.take().context("a piped stdout is there")?;
        let status = format!("/proc/{}/status", child.id());
        let (mut total, mut peak) = (0, None);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = stdout.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            // The high-water mark only grows, and is gone with the process: the last look before the end counts.
            if total >> 24 != (total + count as u64) >> 24 {
                let high = fs::read_to_string(&status).ok();
                peak = high.and_then(|text| kib(&text, "VmHWM")).or(peak);
            }
            total += count as u64;
        }
        let exit = child.wait()?;
        ensure!(
            exit.success() && total == expected,
            "the guest's output ended at {total} bytes: {exit}"
        );
        let rate = f64::from(OUTPUT_MIB) / started.elapsed().as_secs_f64();
        let peak = peak.context("pyro's memory was never seen")?;
        Ok((rate, crate::runtime::mebibytes(peak << 10)))
    }

    /// Takes what was measured.
    pub(super) fn add(&mut self, name: &str, unit: &str, samples: &[f64]) {
        self.measurements.extend(Measurement::of(name, unit, samples));
    }

    /// The `pyro` that is measured.
    pub(super) fn pyro(&self) -> Command {
        Command::new(self.context.layout.pyro())
    }

    fn run_command(&self) -> Command {
        let mut command = self.pyro();
        let Options {
            environment,
            isolation,
            ..
        } = self.options;
        // A gigabyte through an emulated guest takes longer than the default limit.
        command.args([
            "run",
            "--isolation",
            isolation,
            "--timeout-seconds",
            "600",
            environment,
        ]);
        command
    }
}

impl RunReport {
    /// Each phase with its time in milliseconds.
    fn phases(&self) -> Vec<(String, f64)> {
        let more = self.metadata.iter().filter_map(|(key, value)| {
            let phase = key.strip_prefix("phase.")?.strip_suffix("_ms")?;
            Some((phase.replace('_', " "), value.parse().ok()?))
        });
        [("boot", self.boot_ms), ("command in the guest", self.duration_ms)]
            .map(|(name, time)| (name.to_owned(), time))
            .into_iter()
            .chain(more)
            .collect()
    }
}

/// Whether `chosen` of `total`, spread evenly, have this one among them.
fn is_among(index: u32, chosen: u32, total: u32) -> bool {
    let (index, chosen, total) = (u64::from(index), u64::from(chosen), u64::from(total));
    (index + 1) * chosen / total > index * chosen / total
}

/// Measures so often.
pub(super) fn sample(runs: u32, mut once: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    (0..runs).map(|_| once()).collect()
}

/// A duration as figures have it.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_from_a_report() {
        let json = r#"{"isolation": "emulated", "boot_ms": 2100, "duration_ms": 50,
            "metadata": {"phase.guest_kernel_ms": "1900", "vmm_version": "7.2", "phase.bad_ms": "soon"}}"#;
        let report: RunReport = serde_json::from_str(json).unwrap();
        let expected = [
            ("boot", 2100.0),
            ("command in the guest", 50.0),
            ("guest kernel", 1900.0),
        ];
        assert_eq!(
            report.phases(),
            expected.map(|(name, time)| (name.to_owned(), time))
        );
    }

    #[test]
    fn so_many_of_so_many_are_spread_evenly() {
        let chosen: Vec<u32> = (0..50).filter(|index| is_among(*index, 20, 50)).collect();
        assert_eq!(chosen.len(), 20);
        assert!(chosen.windows(2).all(|pair| pair[1] - pair[0] <= 3), "{chosen:?}");
        assert!(!is_among(0, 0, 50) && is_among(0, 50, 50));
    }
}
