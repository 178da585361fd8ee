//! What the MCP server costs: a host until it knows the tools, a model that reads them, and whoever waits beside a call.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::bench::measure::{Bench, QUICK_RUNS, milliseconds, sample};
use crate::bench::server::Server;
use crate::say;

const PROFILES: [&str; 3] = ["vm-run", "workspace-core", "workspace-full"];

/// How many pings are sent while a tool runs.
const PINGS: u32 = 500;
/// How long it is from one to the next.
const BETWEEN_PINGS: Duration = Duration::from_millis(5);

impl Bench<'_> {
    /// The MCP server, by itself and during a call.
    pub(crate) fn protocol(&mut self) -> Result<()> {
        for profile in PROFILES {
            let name = format!("mcp: from the start of the process to the tools of {profile}");
            let samples = say::step(&name, || sample(QUICK_RUNS, || self.first_list(profile)))?;
            self.add(&name, "ms", &samples);
        }
        for profile in PROFILES {
            let mut server = Server::start(self.pyro(), profile)?;
            let tools: Vec<_> = server.tools()?.iter().map(shown_to_models).collect();
            server.end()?;
            let largest = tools.iter().map(tokens).max().unwrap_or_default();
            self.add(
                &format!("mcp: tools of {profile}"),
                "tokens",
                &[count(tokens(&tools.into()))],
            );
            self.add(
                &format!("mcp: largest tool of {profile}"),
                "tokens",
                &[count(largest)],
            );
        }
        let name = "mcp: ping while a tool runs";
        let samples = say::step(name, || self.pings())?;
        self.add(name, "ms", &samples);
        Ok(())
    }

    fn first_list(&self, profile: &str) -> Result<f64> {
        let started = Instant::now();
        let mut server = Server::start(self.pyro(), profile)?;
        server.tools()?;
        let took = milliseconds(started.elapsed());
        server.end()?;
        Ok(took)
    }

    /// Pings from before the VM's start to when its command has printed much.
    fn pings(&self) -> Result<Vec<f64>> {
        let mut server = Server::start(self.pyro(), "vm-run")?;
        let run = json!({
            "environment": self.options().environment,
            "command": "timeout 3 yes | head -c 20000000; sleep 5",
        });
        let samples = server.call_while("vm_run", &run, |server| {
            sample(PINGS, || {
                thread::sleep(BETWEEN_PINGS);
                server.ping()
            })
        })?;
        server.end()?;
        Ok(samples)
    }
}

/// What a model is charged for.
fn shown_to_models(tool: &Value) -> Value {
    json!({"name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"]})
}

/// By the vocabulary that most hosts' models have, `o200k_base`.
fn tokens(value: &Value) -> usize {
    bpe_openai::o200k_base().count(&value.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "no list of tools has 2^52 tokens")]
fn count(tokens: usize) -> f64 {
    tokens as f64
}
