//! What calls of the library take, by an example of it that a program's author could have written.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::bench::measure::Bench;
use crate::child::output;
use crate::say;

/// How often a call is made.
const CALLS: u32 = 100;

/// What the example prints under each of these keys.
const MEASURED: [(&str, &str); 5] = [
    ("ping", "request to the agent that does nothing"),
    ("exec", "exec of true"),
    ("forks", "fork and exec of true by the guest itself"),
    ("write", "write of 1 MiB"),
    ("reset", "reset to the baseline"),
];

impl Bench<'_> {
    /// Calls of one program in one workspace, on a template that is there. Left out where there are no sources.
    pub(crate) fn library(&mut self) -> Result<()> {
        if self.options().dist.is_some() {
            return Ok(());
        }
        let measured = say::step("library", || self.measure_library())?;
        for (key, name) in MEASURED {
            let samples = measured.get(key);
            let samples = samples.ok_or_else(|| anyhow!("the example has no figure `{key}`"))?;
            self.add(&format!("library: {name}"), "ms", samples);
        }
        Ok(())
    }

    fn measure_library(&self) -> Result<BTreeMap<String, Vec<f64>>> {
        let layout = &self.context().layout;
        let mut cargo = layout.cargo();
        cargo.args([
            "build",
            "--locked",
            "--release",
            "-p",
            "pyro",
            "--example",
            "latency",
        ]);
        self.context().run("build the example", &mut cargo)?;
        let before = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(layout.dist().join("bin")).chain(std::env::split_paths(&before));
        let mut example = Command::new(layout.target.join("release/examples/latency"));
        let options = self.options();
        example
            .args([CALLS.to_string(), self.workspace_runs().to_string()])
            .env("PATH", std::env::join_paths(path)?)
            .env("PYRO_RUNTIME_DIR", layout.runtime())
            .env("PYRO_ISOLATION", &options.isolation)
            .env("PYRO_ENVIRONMENT", &options.environment);
        serde_json::from_str(&output(&mut example)?).context("the example did not print its figures")
    }
}
