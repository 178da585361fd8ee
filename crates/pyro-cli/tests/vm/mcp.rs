//! `pyro mcp serve` over its standard input and output, as simply as a client can be.

#![expect(clippy::unwrap_used, reason = "a harness that fails must fail the test")]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::{ChildStdin, Stdio};

use serde_json::{Value, json};

use crate::support::{Home, Running};

/// A server with every tool for workspaces, and its client.
#[derive(Debug)]
pub(crate) struct Server {
    running: Running,
    input: Option<ChildStdin>,
    asked: u64,
}

impl Server {
    /// Starts it; clients may bring in what is in the home.
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_with_profile(home, "workspace-core")
    }

    /// The same with the tools of that profile.
    pub(crate) fn start_with_profile(home: &Home, profile: &str) -> Self {
        Self::start_with(home, &["--profile", profile])
    }

    /// The same with these options.
    pub(crate) fn start_with(home: &Home, options: &[&str]) -> Self {
        let path = home.path().to_string_lossy().into_owned();
        let words = ["mcp", "serve", "--structured", "all", "--allow-host-path", &path];
        let words = [&words[..], options].concat();
        let mut running = Running::of(home.pyro(words).stdin(Stdio::piped()));
        let input = Some(running.stdin());
        let mut server = Self {
            running,
            input,
            asked: 0,
        };
        let client = json!({"name": "test", "version": "0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let answer = server.ask("initialize", &params);
        assert_eq!(answer["serverInfo"]["name"], "pyro", "{answer:#}");
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    /// Calls a tool: its object, or its error.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value, Value> {
        let mut outcomes = self.call_at_once(tool, std::slice::from_ref(arguments));
        outcomes.remove(0)
    }

    /// Calls a tool many times without waiting for any of the answers, which are in the order of the calls.
    pub(crate) fn call_at_once(&mut self, tool: &str, arguments: &[Value]) -> Vec<Result<Value, Value>> {
        let ids: Vec<u64> = arguments
            .iter()
            .map(|arguments| self.send_request("tools/call", &json!({"name": tool, "arguments": arguments})))
            .collect();
        let mut answers: BTreeMap<u64, Value> = BTreeMap::new();
        while answers.len() < ids.len() {
            let (id, result) = self.receive();
            answers.insert(id, result);
        }
        ids.iter().map(|id| outcome(&answers[id])).collect()
    }

    /// Ends it: it leaves with nothing said on standard error.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        let ended = self.running.finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.text());
    }

    fn send(&mut self, message: &Value) {
        let mut input = self.input.as_ref().unwrap();
        input.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn send_request(&mut self, method: &str, params: &Value) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let asked = self.send_request(method, params);
        let (id, result) = self.receive();
        assert_eq!(id, asked);
        result
    }

    /// The next result, with what it answers. Notifications are passed over; an error of the protocol is a failure.
    fn receive(&mut self) -> (u64, Value) {
        loop {
            let mut line = String::new();
            let count = self.running.stdout().read_line(&mut line).unwrap();
            assert!(count > 0, "the server ended before it answered");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if let Some(id) = answer["id"].as_u64() {
                assert!(answer["result"].is_object(), "{answer:#}");
                return (id, answer["result"].clone());
            }
        }
    }
}

/// The object in a tool's result, or the error.
fn outcome(result: &Value) -> Result<Value, Value> {
    let object = &result["structuredContent"];
    match result["isError"].as_bool() {
        Some(true) => Err(object["error"].clone()),
        Some(false) | None => Ok(object.clone()),
    }
}
