//! Calls and servers that end early leave no VM behind.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::client::{Client, text};
use crate::process::{Identity, survivors};

/// How long it may take a process to be seen as gone, on top of what the contract allows.
const OBSERVED_WITHIN: Duration = Duration::from_millis(500);

/// A server with a command under way, and the processes of its VM.
fn busy() -> (Client, u64, Vec<Identity>) {
    let mut client = Client::open(&[]);
    let id = client.begin(json!({"command": "sleep 600", "timeout_seconds": 600}), "busy");
    client.wait_for_progress("busy", "running the command");
    let processes = client.vm_processes();
    assert!(!processes.is_empty(), "a VM has processes");
    (client, id, processes)
}

fn signal(client: &Client, signal: Signal) {
    let pid = Pid::from_raw(client.pid().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn a_cancelled_call_ends_with_its_vm_and_the_server_goes_on() {
    let (mut client, id, processes) = busy();
    client.notify(
        "notifications/cancelled",
        json!({"requestId": id, "reason": "no longer needed"}),
    );
    let left = survivors(&processes, Duration::from_secs(3) + OBSERVED_WITHIN);
    assert!(left.is_empty(), "{left:?}");
    let result = client.run(json!({"command": "echo still here"}));
    assert!(text(&result).contains("\nstdout:\nstill here\n"), "{result}");
    let answered = client.early().any(|message| message["id"] == id);
    assert!(!answered, "a cancelled request has no answer");
}

#[test]
fn a_command_that_ignores_signals_ends_with_its_call_too() {
    let mut client = Client::open(&[]);
    let command = "trap '' TERM INT HUP; while :; do sleep 1; done";
    let id = client.begin(json!({"command": command, "timeout_seconds": 600}), "deaf");
    client.wait_for_progress("deaf", "running the command");
    let processes = client.vm_processes();
    client.notify("notifications/cancelled", json!({"requestId": id}));
    let left = survivors(&processes, Duration::from_secs(3) + OBSERVED_WITHIN);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_end_of_input_ends_server_and_vm() {
    let (mut client, _, processes) = busy();
    let begin = Instant::now();
    client.close_input();
    let status = client.exit_status(Duration::from_secs(1) + OBSERVED_WITHIN);
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?} after {:?}",
        begin.elapsed()
    );
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn term_ends_server_and_vm() {
    let (mut client, _, processes) = busy();
    signal(&client, Signal::TERM);
    let status = client.exit_status(Duration::from_secs(1) + OBSERVED_WITHIN);
    assert!(status.is_some(), "the server leaves within 1 s");
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_killed_server_leaves_no_vm() {
    let (mut client, _, processes) = busy();
    signal(&client, Signal::KILL);
    assert!(client.exit_status(Duration::from_secs(1)).is_some());
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_idle_server_leaves_at_once() {
    let mut client = Client::open(&[]);
    signal(&client, Signal::TERM);
    assert!(client.exit_status(Duration::from_secs(1)).is_some());
    let mut client = Client::start(&[]);
    client.close_input();
    assert!(client.exit_status(Duration::from_secs(1)).unwrap().success());
}
