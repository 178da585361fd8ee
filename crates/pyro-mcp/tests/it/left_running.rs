//! Runs that outlive their calls: what a call is told of them, how they are waited for, and how they end.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::process::survivors;

/// The VM of a run that goes on, as its text says.
fn vm_id(result: &Value) -> String {
    assert_eq!(result["isError"], false, "{result}");
    let text = text(result);
    assert!(text.starts_with("still "), "{text}");
    let (_, rest) = text
        .split_once("\nhint: it goes on; wait for it by vm_run vm_id=")
        .unwrap();
    rest.split_once(' ').unwrap().0.to_owned()
}

/// Begins a run whose first call ends before it, once its command printed `begun`.
fn leave(client: &mut Client, command: &str, timeout_seconds: u64) -> String {
    let arguments = json!({"command": command, "timeout_seconds": timeout_seconds, "wait_seconds": 1});
    let mut result = client.run(arguments);
    let vm_id = vm_id(&result);
    while !text(&result).contains("\nstdout:\nbegun\n") {
        result = client.run(json!({"vm_id": vm_id, "wait_seconds": 1}));
        assert_eq!(self::vm_id(&result), vm_id);
    }
    vm_id
}

#[test]
fn a_long_command_is_waited_for_by_its_vm_and_shown_as_often_as_asked_for() {
    let mut client = Client::open(&["--structured", "all"]);
    let command = "echo begun; sleep 8; echo ended; seq 20000; exit 3";
    let id = leave(&mut client, command, 600);

    let so_far = client.run(json!({"vm_id": id, "wait_seconds": 1}));
    let object = &so_far["structuredContent"];
    assert_eq!(
        (&object["outcome"], &object["vm_id"]),
        (&json!("running"), &json!(id))
    );
    assert_eq!(
        (&object["stdout"], &object["phase"]),
        (&json!("begun\n"), &json!("running"))
    );
    for unknown in ["exit_code", "signal", "diff", "cleanup"] {
        assert_eq!(object[unknown], Value::Null, "{unknown}: {object}");
        assert!(object.as_object().unwrap().contains_key(unknown), "{unknown}");
    }

    let waiting = json!({"name": "vm_run", "arguments": {"vm_id": id, "wait_seconds": 600}});
    let begin = Instant::now();
    let first = client.request("tools/call", waiting.clone());
    let second = client.request("tools/call", waiting);
    let [first, second] = [first, second].map(|id| client.answer(id)["result"].clone());
    assert!(begin.elapsed() < Duration::from_secs(80), "{:?}", begin.elapsed());
    let done = text(&first);
    assert!(
        done.starts_with("exit 3 in ") && done.contains(&format!(" · VM {id} deleted\n")),
        "{done}"
    );
    assert!(done.contains("\nstdout:\nbegun\nended\n1\n2\n"), "{done}");
    assert_eq!(first, second);
    assert!(client.vm_processes().is_empty(), "its VM is gone");

    // What came of it is there again, and all of its output for who asks for more of it.
    let again = client.run(json!({"vm_id": id, "max_output_chars": 200_000}));
    assert!(text(&again).contains("\n19999\n20000\n") && !text(&again).contains("omitted"));
    let mut other = client.restart(&["--profile", "vm-run"]);
    let after = other.run(json!({"vm_id": id}));
    assert_eq!(text(&after), done, "another server finds it");
}

#[test]
fn a_run_that_is_left_ends_by_its_time_limit() {
    let mut client = Client::open(&[]);
    let id = leave(&mut client, "echo begun; sleep 600", 9);
    let result = client.run(json!({"vm_id": id, "wait_seconds": 600}));
    let said = text(&result);
    assert!(
        said.starts_with("timed out after ") && said.contains("\nstdout:\nbegun\n"),
        "{said}"
    );
    assert!(client.vm_processes().is_empty(), "its VM is gone");
}

#[test]
fn a_run_that_is_left_is_deleted_and_what_it_printed_stays() {
    let mut client = Client::open(&[]);
    let id = leave(&mut client, "echo begun; sleep 600", 600);
    let processes = client.vm_processes();
    let deleted = client.done("vm_delete", json!({"vm_id": id}));
    assert_eq!(
        deleted["structuredContent"]["reason"], "explicit_delete",
        "{deleted}"
    );
    assert!(survivors(&processes, Duration::from_secs(5)).is_empty());
    let result = client.run(json!({"vm_id": id}));
    let said = text(&result);
    assert!(
        said.starts_with("cancelled after ") && said.contains("\nstdout:\nbegun\n"),
        "{said}"
    );
    let again = client.refused("vm_delete", json!({"vm_id": id}));
    assert!(again.starts_with("error vm-not-found: "), "{again}");
}

#[test]
fn giving_up_the_wait_leaves_the_run_alone_and_a_failure_is_told_to_who_comes_back() {
    let mut client = Client::open(&[]);
    let id = leave(&mut client, "echo begun; sleep 600", 600);
    let processes = client.vm_processes();
    assert!(!processes.is_empty());
    let params = json!({
        "name": "vm_run", "arguments": {"vm_id": id, "wait_seconds": 600}, "_meta": {"progressToken": "wait"},
    });
    let waiting = client.request("tools/call", params);
    client.wait_for_progress("wait", "");
    client.notify("notifications/cancelled", json!({"requestId": waiting}));
    let result = client.run(json!({"vm_id": id, "wait_seconds": 4}));
    assert_eq!(vm_id(&result), id);
    assert_eq!(survivors(&processes, Duration::ZERO).len(), processes.len());

    for process in processes {
        process.kill();
    }
    let lost = client.refused("vm_run", json!({"vm_id": id, "wait_seconds": 600}));
    assert!(lost.starts_with("error guest-lost: "), "{lost}");
    let again = client.refused("vm_run", json!({"vm_id": id}));
    assert_eq!(again, lost);
}

#[test]
fn a_server_that_leaves_takes_its_runs_with_it() {
    for how in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        let mut client = Client::open(&[]);
        leave(
            &mut client,
            "trap '' TERM; echo begun; while :; do sleep 1; done",
            600,
        );
        let processes = client.vm_processes();
        assert!(!processes.is_empty());
        match how {
            None => client.close_input(),
            Some(signal) => {
                let pid = Pid::from_raw(client.pid().try_into().unwrap()).unwrap();
                kill_process(pid, signal).unwrap();
            }
        }
        let status = client.exit_status(Duration::from_millis(1500));
        assert!(status.is_some(), "{how:?}: the server leaves within 1 s");
        let left = survivors(&processes, Duration::from_secs(5));
        assert!(left.is_empty(), "{how:?}: {left:?}");
    }
}

#[test]
fn a_call_names_one_run() {
    let mut client = Client::open(&[]);
    for (arguments, said) in [
        (
            json!({}),
            "error invalid-argument: `command` is required\nhint: pass `command` as a string, or `vm_id`",
        ),
        (
            json!({"command": "true", "vm_id": "3f2a91c0d4e5"}),
            "error invalid-argument: `command` and `vm_id` exclude each other\nhint: pass `vm_id` alone",
        ),
        (json!({"vm_id": "../3f2a91c0d4"}), "error invalid-id: "),
        (
            json!({"vm_id": "3f2a91c0d4e5"}),
            "error vm-not-found: no run `3f2a91c0d4e5`\nhint: a run goes on",
        ),
        (
            json!({"vm_id": "3f2a91c0d4e5", "wait_seconds": 0}),
            "error invalid-argument: `wait_seconds` must be",
        ),
    ] {
        let refused = client.refused("vm_run", arguments.clone());
        assert!(refused.starts_with(said), "{arguments}: {refused}");
    }
}
