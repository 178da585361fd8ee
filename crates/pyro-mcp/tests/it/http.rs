//! The server over HTTP, as raw requests meet it: who is let in, which tools a path has, and how calls end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{PATIENCE, places, required};
use crate::process::{Identity, all_of, survivors};

/// What an answer may take that starts no VM.
const PROMPTLY: Duration = Duration::from_secs(30);

/// A server that took a free port.
pub(crate) struct Server {
    child: Child,
    address: String,
    token_file: PathBuf,
    home: TempDir,
}

fn command(arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(required("PYRO_TEST_BIN"));
    command
        .args(["mcp", "serve", "--transport", "http"])
        .args(arguments)
        .envs(places(home))
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A server that does not start.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let home = TempDir::new().unwrap();
    let Output { status, stderr, .. } = command(arguments, home.path()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), arguments)
    }

    fn start_in(home: TempDir, arguments: &[&str]) -> Self {
        let mut child = command(&[&["--listen", "127.0.0.1:0"], arguments].concat(), home.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut told).unwrap();
        thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let (url, token_file) = told
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.split_once("/mcp, for clients with the token in "))
            .unwrap_or_else(|| panic!("{told}"));
        Self {
            child,
            address: url.to_owned(),
            token_file: token_file.into(),
            home,
        }
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(&self.token_file)
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Sends a request with these headers besides what HTTP demands, and leaves its answer unread.
    fn send(&self, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        self.send_bytes(path, headers, body.as_bytes())
    }

    fn send_bytes(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream
            .write_all(&[head.as_bytes(), b"\r\n", body].concat())
            .unwrap();
        stream
    }

    /// Sends a request whose body may be anything; returns the status of its answer.
    pub(crate) fn status(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        Answer::read(self.send_bytes(path, headers, body)).status
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sends a request and reads its answer to the end.
    fn ask(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        Answer::read(self.send(path, headers, body))
    }

    /// Begins a request of the revision without sessions, with all that it asks for.
    fn begin(&self, path: &str, method: &str, mut params: Value) -> TcpStream {
        let bearer = format!("Bearer {}", self.token());
        let version = "2026-07-28";
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
        params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "0"});
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", version),
            ("Mcp-Method", method),
            ("Mcp-Name", &name),
        ];
        let with_name = headers.len() - usize::from(name.is_empty());
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        self.send(path, &headers[..with_name], &body)
    }

    /// The result of such a request.
    pub(crate) fn result(&self, path: &str, method: &str, params: Value) -> Value {
        Answer::read(self.begin(path, method, params)).last_message()["result"].clone()
    }

    pub(crate) fn tools(&self, path: &str) -> Vec<String> {
        let listed = self.result(path, "tools/list", json!({}));
        let tools = listed["tools"].as_array().unwrap_or_else(|| panic!("{listed}"));
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Begins a call with a command that takes long, and waits until that runs: the stream of its answer and the
    /// processes of its VM.
    fn busy(&self) -> (BufReader<TcpStream>, Vec<Identity>) {
        let params = json!({
            "name": "vm_run", "arguments": {"command": "sleep 600", "timeout_seconds": 600},
            "_meta": {"progressToken": "busy"},
        });
        let mut answer = BufReader::new(self.begin("/mcp", "tools/call", params));
        let mut line = String::new();
        while !line.contains("running the command") {
            line.clear();
            assert_ne!(answer.read_line(&mut line).unwrap(), 0, "the answer ended");
        }
        let mut processes = all_of(self.child.id(), self.home.path());
        processes.retain(|process| process.pid() != self.child.id());
        assert!(!processes.is_empty(), "a VM has processes");
        (answer, processes)
    }

    fn terminate(&mut self, within: Duration) -> Option<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "no answer: {head}");
        }
        let head = head.to_ascii_lowercase();
        let mut body = String::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let mut size = String::new();
                reader.read_line(&mut size).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk).unwrap();
                if size == 0 {
                    break;
                }
                body.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
            }
        } else {
            reader.read_to_string(&mut body).unwrap();
        }
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        Self { status, head, body }
    }

    /// The last message of a stream of events, or the only one.
    fn last_message(&self) -> Value {
        let data = self
            .body
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(data.unwrap_or(&self.body)).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[test]
fn nobody_is_let_in_without_the_token() {
    let server = Server::start(&["--profile", "vm-run"]);
    let mode = std::fs::metadata(&server.token_file)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = server.token();
    let wrong = format!("Bearer {}", "0".repeat(token.len()));
    let shorter = format!("Bearer {}", &token[1..]);
    let basic = format!("Basic {token}");
    for path in ["/mcp", "/mcp/vm-run", "/", "/nothing"] {
        for given in [None, Some(&wrong), Some(&shorter), Some(&basic), Some(&token)] {
            let headers: Vec<_> = given
                .iter()
                .map(|given| ("Authorization", given.as_str()))
                .collect();
            let answer = server.ask(path, &headers, "{}");
            assert_eq!(answer.status, 401, "{path} {headers:?}: {answer:?}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
    }
    let right = format!("bearer {token}");
    assert_eq!(
        server.ask("/nothing", &[("Authorization", &right)], "{}").status,
        404
    );
    for foreign in [
        ("Host", "pyro.example"),
        ("Origin", "http://pyro.example"),
        ("Origin", "null"),
    ] {
        let answer = server.ask("/mcp", &[("Authorization", &right), foreign], "{}");
        assert_eq!(answer.status, 403, "{foreign:?}: {answer:?}");
    }
    let server = Server::start(&[
        "--allowed-host",
        "pyro.example",
        "--allowed-origin",
        "http://pyro.example:80",
    ]);
    let right = format!("Bearer {}", server.token());
    for known in [
        ("Host", "pyro.example"),
        ("Origin", "http://pyro.example"),
        ("Origin", "http://localhost:3000"),
    ] {
        let answer = server.ask("/mcp", &[("Authorization", &right), known], "{}");
        assert!(![401, 403].contains(&answer.status), "{known:?}: {answer:?}");
    }
}

#[test]
fn a_path_narrows_the_tools_and_never_widens_them() {
    let server = Server::start(&["--profile", "workspace-core"]);
    assert_eq!(server.tools("/mcp").len(), 16);
    assert_eq!(server.tools("/mcp/workspace-core/").len(), 16);
    assert_eq!(server.tools("/mcp/vm-run"), ["vm_run"]);
    for (path, status) in [
        ("/mcp/workspace-full", 403),
        ("/mcp/core", 404),
        ("/mcpx", 404),
        ("/mcp/vm-run/x", 404),
    ] {
        let answer = Answer::read(server.begin(path, "tools/list", json!({})));
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let called = Answer::read(server.begin("/mcp/vm-run", "tools/call", json!({"name": "workspace_list"})));
    assert_eq!(called.last_message()["error"]["code"], -32602, "{called:?}");
}

#[test]
fn the_token_is_that_of_the_file_and_stays() {
    let server = Server::start(&[]);
    let token = server.token();
    let home = TempDir::new().unwrap();
    std::fs::copy(&server.token_file, home.path().join("mcp-token")).unwrap();
    assert_eq!(Server::start_in(home, &[]).token(), token);

    let home = TempDir::new().unwrap();
    let file = home.path().join("own");
    std::fs::write(&file, "a-token-of-my-own\n").unwrap();
    let server = Server::start(&["--auth-token-file", file.to_str().unwrap()]);
    let given = [("Authorization", "Bearer a-token-of-my-own")];
    assert_ne!(server.ask("/mcp", &given, "{}").status, 401);
    assert!(!server.home.path().join("mcp-token").exists());

    std::fs::write(&file, "short\n").unwrap();
    let (code, told) = refused(&["--auth-token-file", file.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("hint: it must be one line of 16 to 512"), "{told}");
    assert!(!told.contains("short"), "{told}");
}

#[test]
fn what_cannot_be_listened_on_is_refused() {
    let server = Server::start(&[]);
    for (arguments, code, expected) in [
        (&["--listen", "0.0.0.0:0"][..], 2, "hint: other hosts reach it"),
        (&["--listen", "[::]:0"], 2, "hint: other hosts reach it"),
        (&["--listen", "8787"], 2, "hint: write an address and a port"),
        (
            &["--listen", &server.address],
            125,
            "hint: choose another with `--listen`",
        ),
        (
            &["--auth-token-file", "/nowhere"],
            125,
            "cannot use the token file `/nowhere`",
        ),
    ] {
        let (status, told) = refused(arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
        assert_eq!(status, Some(code), "{arguments:?}: {told}");
    }
    let home = TempDir::new().unwrap();
    let stdio = Command::new(required("PYRO_TEST_BIN"))
        .args(["mcp", "serve", "--listen", "127.0.0.1:0"])
        .envs(places(home.path()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(stdio.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&stdio.stderr).contains("hint: add `--transport http`"));
}

#[test]
fn a_command_runs() {
    let server = Server::start(&["--profile", "vm-run"]);
    let params = json!({
        "name": "vm_run", "arguments": {"command": "echo hello"}, "_meta": {"progressToken": "run"},
    });
    let result = server.result("/mcp", "tools/call", params);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("\nstdout:\nhello\n"), "{result}");
}

#[test]
fn a_client_that_drops_its_answer_ends_the_call() {
    let server = Server::start(&["--profile", "vm-run"]);
    let (answer, processes) = server.busy();
    drop(answer);
    let left = survivors(&processes, Duration::from_millis(3500));
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(server.tools("/mcp"), ["vm_run"], "the server goes on");
}

#[test]
fn a_server_that_is_told_to_leaves_with_its_vms() {
    let mut server = Server::start(&["--profile", "vm-run"]);
    let (_answer, processes) = server.busy();
    let status = server.terminate(Duration::from_millis(1500));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_no_request_is_refused_and_the_server_goes_on() {
    let server = Server::start(&["--profile", "vm-run"]);
    let bearer = format!("Bearer {}", server.token());
    let json_body = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    for body in ["", "{", "null", "[]", "{\"jsonrpc\":\"2.0\"}", "\u{0}"] {
        let answer = server.ask("/mcp", &json_body, body);
        assert!((400..500).contains(&answer.status), "{body:?}: {answer:?}");
    }
    // Longer than any body may be; the server need not read all of it.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let length = 17 << 20;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sent = thread::spawn(move || sender.write_all(&vec![b' '; length]).is_ok());
    assert_eq!(Answer::read(stream).status, 413);
    sent.join().unwrap();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(PROMPTLY)).unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).ok();
        assert!(
            told.is_empty() || told.starts_with(b"HTTP/1.1 400"),
            "{:?}",
            String::from_utf8_lossy(&told)
        );
    }
    assert_eq!(server.tools("/mcp"), ["vm_run"]);
}
