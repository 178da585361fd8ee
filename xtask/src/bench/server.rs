//! A running MCP server, as a client has it.

use std::collections::BTreeMap;
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
    /// Answers that came before they were waited for.
    early: BTreeMap<u64, Value>,
}

impl Server {
    /// Starts one with the tools of a profile.
    pub(super) fn start(mut pyro: Command, profile: &str) -> Result<Self> {
        let mut child = pyro
            .args(["mcp", "serve", "--no-project-source", "--profile", profile])
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
            early: BTreeMap::new(),
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

    /// The tools, as clients are shown them.
    pub(super) fn tools(&mut self) -> Result<Vec<Value>> {
        let mut answer = self.request("tools/list", &json!({}))?;
        serde_json::from_value(answer["result"]["tools"].take()).context("a list of tools")
    }

    /// Has a tool called by `meanwhile`'s side; the answer is awaited after it.
    pub(super) fn call_while<T>(
        &mut self,
        tool: &str,
        arguments: &Value,
        meanwhile: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let id = self.begin("tools/call", &json!({"name": tool, "arguments": arguments}))?;
        let done = meanwhile(self)?;
        let answer = self.answer(id)?;
        ensure!(answer["result"]["isError"] == false, "{tool} failed: {answer}");
        Ok(done)
    }

    /// How long a ping takes, in milliseconds.
    pub(super) fn ping(&mut self) -> Result<f64> {
        let started = Instant::now();
        let answer = self.request("ping", &json!({}))?;
        let took = milliseconds(started.elapsed());
        ensure!(answer["result"].is_object(), "no answer to a ping: {answer}");
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
        let id = self.begin(method, params)?;
        self.answer(id)
    }

    fn begin(&mut self, method: &str, params: &Value) -> Result<u64> {
        self.last += 1;
        let id = self.last;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        Ok(id)
    }

    fn answer(&mut self, id: u64) -> Result<Value> {
        if let Some(early) = self.early.remove(&id) {
            return Ok(early);
        }
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.output.read_line(&mut line)? > 0, "the MCP server ended");
            let message: Value = serde_json::from_str(&line)?;
            match message["id"].as_u64() {
                Some(answered) if answered == id => return Ok(message),
                Some(answered) => drop(self.early.insert(answered, message)),
                // A notification.
                None => {}
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
