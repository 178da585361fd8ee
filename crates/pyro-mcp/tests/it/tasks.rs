//! Commands that outlive their call, as tasks for clients that declare the extension.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, PATIENCE, text};
use crate::process::survivors;

/// The name of the extension.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Sends a request of the stateless revision; the client declares tasks, or nothing.
fn ask(client: &mut Client, method: &str, mut params: Value, declares: bool) -> Value {
    let capabilities = match declares {
        true => json!({"extensions": {TASKS: {}}}),
        false => json!({}),
    };
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    });
    let id = client.request(method, params);
    client.answer(id)
}

/// The task that a call became.
fn task(client: &mut Client, tool: &str, arguments: Value) -> String {
    let answer = ask(
        client,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
        true,
    );
    let task = &answer["result"];
    assert_eq!(task["resultType"], "task", "{answer}");
    assert_eq!(task["status"], "working", "{answer}");
    assert!(task["ttlMs"].as_u64().unwrap() >= 600_000, "{answer}");
    task["taskId"].as_str().unwrap().to_owned()
}

/// Asks for a task until it is not `working` any more, and for its output until then.
fn settled(client: &mut Client, id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask(client, "tasks/get", json!({"taskId": id}), true);
        let task = answer["result"].clone();
        if task["status"] != "working" {
            return task;
        }
        assert!(Instant::now() < deadline, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_long_command_is_a_task_that_comes_to_what_the_call_would_have() {
    let mut client = Client::start(&["--profile", "workspace-core"]);
    let run = json!({"command": "echo begun; sleep 5; exit 3", "timeout_seconds": 600, "wait_seconds": 1});
    let id = task(&mut client, "vm_run", run);
    let task = settled(&mut client, &id);
    assert_eq!(task["status"], "completed", "{task}");
    assert_eq!(task["result"]["isError"], false, "{task}");
    let said = text(&task["result"]);
    assert!(
        said.starts_with("exit 3 in ") && said.contains("\nstdout:\nbegun\n"),
        "{said}"
    );

    ask(
        &mut client,
        "tools/call",
        json!({"name": "workspace_create", "arguments": {"name": "a"}}),
        true,
    );
    let run = json!({
        "workspace_id": "a", "command": "echo begun; sleep 5; exit 4", "timeout_seconds": 600, "wait_seconds": 1,
    });
    let id = self::task(&mut client, "workspace_exec", run);
    let task = settled(&mut client, &id);
    let said = text(&task["result"]);
    assert!(
        said.starts_with("exit 4 in ") && said.contains(" #1 · "),
        "{said}"
    );
    assert!(said.contains("\nstdout:\nbegun\n"), "{said}");

    // What ends in time is no task, whatever the client takes.
    let short = json!({"name": "workspace_exec", "arguments": {"workspace_id": "a", "command": "true", "wait_seconds": 600}});
    let answer = ask(&mut client, "tools/call", short, true);
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
}

#[test]
fn a_task_is_cancelled_with_its_command() {
    let mut client = Client::start(&["--profile", "workspace-core"]);
    let run = json!({"command": "sleep 600", "timeout_seconds": 600, "wait_seconds": 1});
    let id = task(&mut client, "vm_run", run);
    let processes = client.vm_processes();
    let answer = ask(&mut client, "tasks/cancel", json!({"taskId": id}), true);
    assert!(answer["error"].is_null(), "{answer}");
    assert_eq!(settled(&mut client, &id)["status"], "cancelled");
    assert!(survivors(&processes, Duration::from_secs(30)).is_empty());

    ask(
        &mut client,
        "tools/call",
        json!({"name": "workspace_create", "arguments": {"name": "a"}}),
        true,
    );
    let run = json!({"workspace_id": "a", "command": "sleep 600", "timeout_seconds": 600, "wait_seconds": 1});
    let id = task(&mut client, "workspace_exec", run);
    ask(&mut client, "tasks/cancel", json!({"taskId": id}), true);
    assert_eq!(settled(&mut client, &id)["status"], "cancelled");
    let logs = json!({"name": "workspace_logs", "arguments": {"workspace_id": "a"}});
    let logs = ask(&mut client, "tools/call", logs, true);
    assert!(
        text(&logs["result"]).contains("\n#1 · cancelled, exit 130"),
        "{logs}"
    );
}

#[test]
fn who_declares_no_tasks_gets_none_and_is_told_so() {
    let mut client = Client::start(&[]);
    let found = ask(&mut client, "server/discover", json!({}), false);
    assert!(
        found["result"]["capabilities"]["extensions"][TASKS].is_object(),
        "{found}"
    );
    let run = json!({"command": "sleep 600", "timeout_seconds": 600, "wait_seconds": 1});
    let answer = ask(
        &mut client,
        "tools/call",
        json!({"name": "vm_run", "arguments": run}),
        false,
    );
    assert!(text(&answer["result"]).starts_with("still "), "{answer}");
    let answer = ask(&mut client, "tasks/get", json!({"taskId": "x"}), false);
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    let answer = ask(&mut client, "tasks/get", json!({"taskId": "x"}), true);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let mut none = Client::start(&["--tools", "workspace_list"]);
    let found = ask(&mut none, "server/discover", json!({}), true);
    assert!(found["result"]["capabilities"]["extensions"].is_null(), "{found}");
}
