//! Clients that do not keep to the rules: the server stays whole, small and stoppable.

use std::fs;
use std::io::Write as _;
use std::process::{Child, ChildStdin};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Client, server, text};
use crate::process::{Identity, all_of, survivors};

/// What a server may hold in memory whatever it is sent, and whatever a command prints.
const MOST_MEMORY_KIB: u64 = 256 * 1024;

#[test]
fn ten_thousand_lines_that_are_no_messages_change_nothing() {
    let mut client = Client::open(&[]);
    let deep = "[".repeat(5000);
    let long = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"",
        "x".repeat(100_000)
    );
    let lines = [
        "garbage",
        "",
        "{\"jsonrpc\":",
        "[]",
        "null",
        "{\"jsonrpc\":\"2.0\",\"method\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/call\"}",
        "\u{1b}[31m",
        &deep,
    ];
    for number in 0..10_000 {
        client.write_line(lines[number % lines.len()]);
    }
    client.write_line(&long);
    client.write_bytes(b"\xff\xfe\x00\x80\n");
    let id = client.request("ping", json!({}));
    assert_eq!(client.answer(id)["result"], json!({}));
    // A line over the limit is thrown away while it arrives.
    client.write_bytes(&vec![b' '; 40 << 20]);
    client.write_line("");
    let id = client.request("tools/list", json!({}));
    let tools = client.answer(id)["result"]["tools"].clone();
    let mut names = tools.as_array().unwrap().iter().map(|tool| &tool["name"]);
    assert!(names.any(|name| name == "vm_run"), "{tools}");
    assert!(
        most_memory_kib(client.pid()) < MOST_MEMORY_KIB,
        "{} KiB",
        most_memory_kib(client.pid())
    );
}

#[test]
fn output_without_end_is_counted_and_not_kept() {
    let mut client = Client::open(&["--structured", "all"]);
    let command = "yes \"$(printf 'odd \\377\\376 bytes')\" | head -c 100000000";
    let result = client.run(json!({"command": command, "timeout_seconds": 150}));
    let structured = &result["structuredContent"];
    assert_eq!(structured["exit_code"], 0, "{}", text(&result));
    assert_eq!(structured["stdout_info"]["bytes"], 100_000_000);
    assert_eq!(structured["stdout_info"]["encoding"], "utf-8-lossy");
    let text = text(&result);
    assert!(text.chars().count() < 21_000, "{}", text.chars().count());
    assert!(
        text.contains("\nstdout:\nodd \u{fffd}\u{fffd} bytes\nodd "),
        "{text}"
    );
    assert!(text.contains(" bytes omitted; print less with head"), "{text}");
    assert!(
        most_memory_kib(client.pid()) < MOST_MEMORY_KIB,
        "{} KiB",
        most_memory_kib(client.pid())
    );
}

/// A client that writes and never reads, with a command under way.
struct Silent {
    child: Child,
    input: Option<ChildStdin>,
    vm: Vec<Identity>,
    home: TempDir,
}

impl Silent {
    fn start(command: &str) -> Self {
        let home = TempDir::new().unwrap();
        let mut child = server(&[], home.path()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let call = json!({"name": "vm_run", "arguments": {"command": command, "timeout_seconds": 600},
            "_meta": {"progressToken": "silent"}});
        for message in [
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"},
            }}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}),
        ] {
            writeln!(input, "{message}").unwrap();
        }
        let mut silent = Self {
            child,
            input: Some(input),
            vm: Vec::new(),
            home,
        };
        silent.wait_for_vm();
        silent.fill();
        silent
    }

    fn wait_for_vm(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.vm.is_empty() {
            assert!(Instant::now() < deadline, "no VM has started");
            thread::sleep(Duration::from_millis(50));
            let root = self.child.id();
            self.vm = all_of(root, self.home.path());
            self.vm.retain(|process| process.pid() != root);
        }
    }

    /// Writes requests until the server takes no more, for its answers find no taker.
    fn fill(&mut self) {
        let input = self.input.as_mut().unwrap();
        rustix::io::ioctl_fionbio(&*input, true).unwrap();
        let mut refused = 0;
        for number in 2..1_000_000 {
            let request = json!({"jsonrpc": "2.0", "id": number, "method": "tools/list"});
            let line = format!("{request}\n");
            // A pipe takes a line of this length whole or not at all.
            while input.write(line.as_bytes()).is_err() {
                refused += 1;
                if refused == 20 {
                    return;
                }
                thread::sleep(Duration::from_millis(50));
            }
            refused = 0;
        }
        panic!("the server takes requests for ever, and none of its answers is read");
    }

    fn has_left(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_client_that_never_reads_keeps_neither_vm_nor_server() {
    let mut client = Silent::start("sleep 3");
    let left = survivors(&client.vm, Duration::from_secs(60));
    assert!(
        left.is_empty(),
        "the command has ended, and so has its VM: {left:?}"
    );
    let memory = most_memory_kib(client.child.id());
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    client.input = None;
    assert!(
        client.has_left(Duration::from_millis(1500)),
        "the end of input is seen behind unread requests"
    );
}

#[test]
fn a_client_that_never_reads_cannot_keep_the_server_from_term() {
    let mut client = Silent::start("sleep 600");
    kill_process(
        Pid::from_raw(client.child.id().try_into().unwrap()).unwrap(),
        Signal::TERM,
    )
    .unwrap();
    assert!(client.has_left(Duration::from_millis(1500)));
    let left = survivors(&client.vm, Duration::from_secs(5));
    assert!(left.is_empty(), "{left:?}");
}

fn most_memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
