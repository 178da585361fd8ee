//! What a workspace takes: to be made, to run a command, to be reset, stopped and started.

use std::time::Instant;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use crate::bench::measure::{Bench, milliseconds, sample};
use crate::bench::server::Server;
use crate::child::output;
use crate::say;

/// How often a command runs in a workspace, or a request is made, for each time that one is made.
const COMMANDS: u32 = 5;
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
        let lives = self.workspace_runs();
        let commands = lives * COMMANDS;
        // The first one makes the template of its kind.
        self.create()?;
        self.workspace(&["delete", NAME])?;
        let create = sample(lives, || {
            let took = self.create()?;
            self.workspace(&["delete", NAME])?;
            Ok(took)
        })?;
        self.create()?;
        let exec = sample(commands, || {
            self.workspace(&["exec", NAME, "--", "/bin/true", "-"])
        })?;
        let forks = self.forks("/bin/true")?;
        let list = sample(commands, || self.workspace(&["file", "list", NAME]))?;
        let mut server = Server::start(self.pyro(), "workspace-core")?;
        let here = json!({"workspace_id": NAME});
        let server_list = sample(commands, || server.call("workspace_file_list", &here))?;
        let shell = json!({"workspace_id": NAME, "command": "/bin/true"});
        let server_exec = sample(commands, || server.call("workspace_exec", &shell))?;
        server.end()?;
        let shells = self.forks("/bin/sh -lc /bin/true")?;
        let reset = sample(lives, || self.workspace(&["reset", NAME]))?;
        let mut start = Vec::new();
        let stop = sample(lives, || {
            let took = self.workspace(&["stop", NAME])?;
            start.push(self.workspace(&["start", NAME])?);
            Ok(took)
        })?;
        self.workspace(&["delete", NAME])?;
        Ok(vec![
            ("create", create),
            ("exec of true", exec),
            ("fork and exec of true by the guest itself", vec![forks]),
            ("file list of an empty tree", list),
            ("file list of an empty tree, in a running MCP server", server_list),
            (
                "exec of true in a login shell, in a running MCP server",
                server_exec,
            ),
            ("true in a login shell by the guest itself", vec![shells]),
            ("reset to the baseline", reset),
            ("stop", stop),
            ("start of a stopped one", start),
        ])
    }

    fn create(&self) -> Result<f64> {
        self.create_workspace(NAME, &[])
    }

    /// How long it takes to make a workspace.
    pub(super) fn create_workspace(&self, name: &str, more: &[&str]) -> Result<f64> {
        let options = self.options();
        let isolation = ["--isolation", &options.isolation];
        self.workspace(
            &[
                &["create", &options.environment, "--name", name][..],
                &isolation,
                more,
            ]
            .concat(),
        )
    }

    /// What the guest's own shell takes to run a command once.
    fn forks(&self, command: &str) -> Result<f64> {
        let script = format!("i=0; while [ $i -lt {FORKS} ]; do {command}; i=$((i+1)); done");
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
    pub(super) fn workspace(&self, words: &[&str]) -> Result<f64> {
        let started = Instant::now();
        output(self.pyro().args(["-q", "workspace"]).args(words))?;
        Ok(milliseconds(started.elapsed()))
    }
}

const NAME: &str = "pyro-bench";
