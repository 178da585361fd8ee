//! What a workspace takes: to be made, to run a command, to be reset, stopped and started.

use std::time::Instant;

use anyhow::Result;
use serde::Deserialize;

use crate::bench::measure::{Bench, milliseconds, sample};
use crate::child::output;
use crate::say;

/// How often a workspace is made, reset, stopped and started.
const LIVES: u32 = 10;
/// How often a command runs in one.
const COMMANDS: u32 = 50;
/// How often a guest starts a program by itself, for comparison.
const FORKS: u32 = 100;

/// What `pyro workspace exec --json` says that is measured.
#[derive(Debug, Deserialize)]
struct Executed {
    duration_ms: f64,
}

impl Bench<'_> {
    /// Whole processes of `pyro workspace …`, on a template that is there.
    pub(crate) fn workspaces(&mut self) -> Result<()> {
        let measured = say::step("workspaces", || self.measure_workspaces())?;
        for (name, samples) in measured {
            self.add(&format!("workspace: {name}"), "ms", &samples);
        }
        Ok(())
    }

    fn measure_workspaces(&self) -> Result<Vec<(&'static str, Vec<f64>)>> {
        // The first one makes the template of its kind.
        self.create()?;
        self.workspace(&["delete", NAME])?;
        let create = sample(LIVES, || {
            let took = self.create()?;
            self.workspace(&["delete", NAME])?;
            Ok(took)
        })?;
        self.create()?;
        let exec = sample(COMMANDS, || {
            self.workspace(&["exec", NAME, "--", "/bin/true", "-"])
        })?;
        let forks = self.forks()?;
        let reset = sample(LIVES, || self.workspace(&["reset", NAME]))?;
        let mut start = Vec::new();
        let stop = sample(LIVES, || {
            let took = self.workspace(&["stop", NAME])?;
            start.push(self.workspace(&["start", NAME])?);
            Ok(took)
        })?;
        self.workspace(&["delete", NAME])?;
        Ok(vec![
            ("create", create),
            ("exec of true", exec),
            ("fork and exec of true by the guest itself", vec![forks]),
            ("reset to the baseline", reset),
            ("stop", stop),
            ("start of a stopped one", start),
        ])
    }

    fn create(&self) -> Result<f64> {
        let options = self.options();
        let isolation = ["--isolation", &options.isolation];
        self.workspace(&[&["create", &options.environment, "--name", NAME][..], &isolation].concat())
    }

    /// What the guest's own shell takes to run a program once.
    fn forks(&self) -> Result<f64> {
        let script = format!("i=0; while [ $i -lt {FORKS} ]; do /bin/true; i=$((i+1)); done");
        let words = [
            "workspace",
            "--json",
            "exec",
            NAME,
            "--timeout-seconds",
            "600",
            "--",
            &script,
        ];
        let text = output(self.pyro().args(words))?;
        let executed: Executed = serde_json::from_str(&text)?;
        Ok(executed.duration_ms / f64::from(FORKS))
    }

    /// How long a whole `pyro workspace …` takes.
    fn workspace(&self, words: &[&str]) -> Result<f64> {
        let started = Instant::now();
        output(self.pyro().args(["-q", "workspace"]).args(words))?;
        Ok(milliseconds(started.elapsed()))
    }
}

const NAME: &str = "pyro-bench";
