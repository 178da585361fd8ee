//! A running MCP server: requests to a workspace without the start of a process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bench::measure::milliseconds;

/// The revision of the protocol that is spoken.
const REVISION: &str = "2025-06-18";

/// A `pyro mcp serve` that waits for calls. It ends when its input does.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last: u64,
}

impl Server {
    /// Starts one with the tools for workspaces.
    pub(super) fn start(mut pyro: Command) -> Result<Self> {
        let mut child = pyro
            .args(["mcp", "serve", "--profile", "workspace-core"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().context("a piped stdin is there")?;
        let output = BufReader::new(child.stdout.take().context("a piped stdout is there")?);
        let mut server = Self {
            child,
            input,
            output,
            last: 0,
        };
        let client = json!({"name": "bench", "version": "1"});
        let hello = json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client});
        server.request("initialize", &hello)?;
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(server)
    }

    /// Calls a tool; gives how long it took, in milliseconds.
    pub(super) fn call(&mut self, tool: &str, arguments: &Value) -> Result<f64> {
        let started = Instant::now();
        let answer = self.request("tools/call", &json!({"name": tool, "arguments": arguments}))?;
        let took = milliseconds(started.elapsed());
        ensure!(answer["result"]["isError"] == false, "{tool} failed: {answer}");
        Ok(took)
    }

    /// Ends it.
    pub(super) fn end(self) -> Result<()> {
        let Self {
            mut child,
            input,
            output,
            ..
        } = self;
        drop((input, output));
        let status = child.wait()?;
        ensure!(status.success(), "the MCP server ended badly: {status}");
        Ok(())
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.last += 1;
        let id = self.last;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.output.read_line(&mut line)? > 0, "the MCP server ended");
            let message: Value = serde_json::from_str(&line)?;
            // There may be notifications in between.
            if message["id"] == id {
                return Ok(message);
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.input.write_all(&line)?;
        Ok(self.input.flush()?)
    }
}
