//! A client that writes and reads the lines of the protocol itself.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Identity, all_of};

/// The longest that anything may take which starts a VM; emulated ones start slowly.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A server and the one client that it has.
pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Messages that came while another was waited for.
    early: VecDeque<Value>,
    next_id: u64,
    home: TempDir,
}

/// A path or name from the environment of the test.
pub(crate) fn required(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    let value = value.unwrap_or_else(|| panic!("{variable} is not set; `cargo xtask test` sets it"));
    PathBuf::from(value)
}

/// What a server reads to find the environments, and to keep its state apart from everybody else's.
pub(crate) fn places(home: &Path) -> [(&'static str, PathBuf); 2] {
    [
        ("PYRO_CACHE_DIR", required("PYRO_TEST_CACHE")),
        ("PYRO_HOME", home.to_owned()),
    ]
}

/// `pyro mcp serve` on pipes, with its state in `home`.
pub(crate) fn server(arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(required("PYRO_TEST_BIN"));
    command
        .args(["mcp", "serve"])
        .args(arguments)
        .envs(places(home))
        // In no checkout, which workspaces would start from.
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

impl Client {
    /// Starts `pyro mcp serve` with a state directory of its own.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), arguments)
    }

    /// Ends the server, and opens a session with another one on the same state.
    pub(crate) fn restart(mut self, arguments: &[&str]) -> Self {
        self.close_input();
        let status = self.exit_status(Duration::from_secs(2));
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
        let home = std::mem::replace(&mut self.home, TempDir::new().unwrap());
        let mut client = Self::start_in(home, arguments);
        client.initialize();
        client
    }

    fn start_in(home: TempDir, arguments: &[&str]) -> Self {
        let command = server(arguments, home.path());
        Self::start_by(command, home)
    }

    /// Starts a server as a command says whose state is in `home`, and opens a session.
    pub(crate) fn open_by(command: Command, home: TempDir) -> Self {
        let mut client = Self::start_by(command, home);
        client.initialize();
        client
    }

    fn start_by(mut command: Command, home: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            early: VecDeque::new(),
            next_id: 0,
            home,
        }
    }

    /// Starts a server and opens a session by the handshake.
    pub(crate) fn open(arguments: &[&str]) -> Self {
        let mut client = Self::start(arguments);
        client.initialize();
        client
    }

    fn initialize(&mut self) {
        let id = self.request(
            "initialize",
            json!({
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"},
            }),
        );
        assert_eq!(self.answer(id)["result"]["serverInfo"]["name"], "pyro");
        self.notify("notifications/initialized", json!({}));
    }

    pub(crate) fn write_line(&mut self, line: &str) {
        self.write_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is still open");
        input.write_all(bytes).unwrap();
    }

    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.write_line(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Sends a request; its id is what an answer is asked for with.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.write_line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        id
    }

    /// Begins a call of `vm_run` whose progress carries `token`.
    pub(crate) fn begin(&mut self, arguments: Value, token: &str) -> u64 {
        let params = json!({"name": "vm_run", "arguments": arguments, "_meta": {"progressToken": token}});
        self.request("tools/call", params)
    }

    /// Calls `vm_run` and waits for its result.
    pub(crate) fn run(&mut self, arguments: Value) -> Value {
        self.call("vm_run", arguments)
    }

    /// Calls a tool and waits for its result.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        self.answer(id)["result"].clone()
    }

    /// Calls a tool that does its job.
    pub(crate) fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{tool}: {}", text(&result));
        result
    }

    /// Calls a tool that cannot do its job; returns what it says.
    pub(crate) fn refused(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result}");
        text(&result).to_owned()
    }

    /// Waits for the answer to a request.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        self.wait_for("the answer", |message| message["id"] == id)
    }

    /// Waits until a call's progress says this.
    pub(crate) fn wait_for_progress(&mut self, token: &str, text: &str) {
        self.wait_for(text, |message| {
            message["params"]["progressToken"] == token
                && message["params"]["message"]
                    .as_str()
                    .is_some_and(|message| message.contains(text))
        });
    }

    fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.early.iter().position(&wanted) {
            return self.early.remove(index).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self
                .receive(left)
                .unwrap_or_else(|| panic!("waited for {what} in vain"));
            if wanted(&message) {
                return message;
            }
            self.early.push_back(message);
        }
    }

    /// The next message of the server; `None` if none comes in time or ever.
    pub(crate) fn receive(&mut self, within: Duration) -> Option<Value> {
        match self.lines.recv_timeout(within) {
            Ok(line) => {
                Some(serde_json::from_str(&line).expect("only messages are written to standard output"))
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// The messages received that nothing has waited for.
    pub(crate) fn early(&self) -> impl Iterator<Item = &Value> {
        self.early.iter()
    }

    /// The processes that belong to this server's VMs.
    pub(crate) fn vm_processes(&self) -> Vec<Identity> {
        let mut processes = all_of(self.child.id(), self.home.path());
        processes.retain(|process| process.pid() != self.child.id());
        processes
    }

    /// The processes of a workspace: its supervisor, as that says itself, and its VM. None if it has not started.
    pub(crate) fn workspace_processes(&self, id: &str) -> Vec<Identity> {
        self.kept_processes("workspaces", id)
    }

    /// The same for whatever is kept in this directory of the state.
    pub(crate) fn kept_processes(&self, kind: &str, id: &str) -> Vec<Identity> {
        let file = self.home.path().join(kind).join(id).join("live.json");
        let live: Value = std::fs::read(file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        match live["supervisor"]["pid"].as_u64() {
            Some(pid) => all_of(pid.try_into().unwrap(), self.home.path())
                .into_iter()
                .filter(|process| process.pid() != self.child.id())
                .collect(),
            None => Vec::new(),
        }
    }

    /// Workspaces outlive their server, but not a test that failed before it deleted them.
    fn delete_workspaces(&self) {
        let Ok(entries) = std::fs::read_dir(self.home.path().join("workspaces")) else {
            return;
        };
        for entry in entries.flatten() {
            // What else is there is no workspace, and refused as one.
            Command::new(required("PYRO_TEST_BIN"))
                .args(["-q", "workspace", "delete"])
                .arg(entry.file_name())
                .envs(places(self.home.path()))
                .output()
                .ok();
        }
    }

    /// The same for one-shot VMs, which no command removes.
    fn end_vms(&self) {
        let Ok(entries) = std::fs::read_dir(self.home.path().join("vms")) else {
            return;
        };
        for entry in entries.flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            for process in self.kept_processes("vms", &id) {
                process.kill();
            }
        }
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// The state directory of the server.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the server's end.
    pub(crate) fn exit_status(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            let status = self.child.try_wait().unwrap();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close_input();
        if self.exit_status(Duration::from_secs(2)).is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        self.delete_workspaces();
        self.end_vms();
    }
}

/// The text of a result.
pub(crate) fn text(result: &Value) -> &str {
    let blocks = result["content"].as_array().unwrap();
    let links = blocks[1..].iter().all(|block| block["type"] == "resource_link");
    assert!(links, "{result}");
    blocks[0]["text"].as_str().unwrap()
}
