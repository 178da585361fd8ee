//! Ten thousand messages that nobody should send, on each transport: the server answers or refuses each, stays responsive,
//! runs nothing that was not asked for, and nothing twice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::http::Server;
use crate::process::all_of;

/// How many are sent.
const MESSAGES: usize = 10_000;

/// How often it is looked whether the server still answers.
const LOOKS: usize = 1000;

/// Numbers that are the same in each run (a linear congruential generator, as in POSIX's example of rand).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// A call that would leave a line in a file of the workspace `a`.
fn call(arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1_000_007, "method": "tools/call", "params": {"name": "workspace_exec", "arguments": arguments}})
}

fn valid() -> Value {
    call(json!({"workspace_id": "a", "command": "echo again >> count"}))
}

/// Messages of which each is wrong in one way; none of them may run anything.
fn wrong() -> Vec<String> {
    let with = |pointer: &str, value: Value| {
        let mut message = valid();
        *message.pointer_mut(pointer).unwrap() = value;
        message.to_string()
    };
    let odd = || {
        [
            json!(null),
            json!(1_000_007),
            json!(1.5e300),
            json!([]),
            json!([[1]]),
            json!({}),
            json!(true),
            json!(""),
        ]
    };
    let mut messages = Vec::new();
    for pointer in ["/method", "/params", "/params/name", "/params/arguments"] {
        messages.extend(odd().map(|value| with(pointer, value)));
    }
    for name in ["workspace_id", "command"] {
        let odd = odd().into_iter().filter(|value| *value != json!(""));
        messages.extend(odd.map(|value| with(&format!("/params/arguments/{name}"), value)));
    }
    for (name, value) in [
        ("foo", json!(1)),
        ("timeout_seconds", json!(0)),
        ("timeout_seconds", json!(-1)),
        ("timeout_seconds", json!("x")),
        ("wait_seconds", json!(1e18)),
        ("cwd", json!([])),
        ("env", json!({"A": 1})),
        ("env", json!("A=b")),
        ("workspace_id", json!("../a")),
        ("command", json!("x".repeat(140_000))),
    ] {
        let mut message = valid();
        message["params"]["arguments"][name] = value;
        messages.push(message.to_string());
    }
    let id = |id: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}).to_string();
    messages.extend(odd().map(id));
    for other in [
        json!({"jsonrpc": "2.0", "id": 1_000_099, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1_000_099, "error": {"code": 1, "message": "x"}}),
        json!({"jsonrpc": "2.0", "id": null, "error": "x"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}),
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1}}),
        json!({"jsonrpc": "2.0", "id": 1_000_008, "method": "initialize", "params": {}}),
        json!({"jsonrpc": "2.0", "id": 1_000_008, "method": "prompts/get", "params": {"name": 1}}),
        json!([valid(), valid()]),
        json!({"result": {}, "error": {}}),
    ] {
        messages.push(other.to_string());
    }
    messages.push(format!("{}1{}", "{\"a\":".repeat(2000), "}".repeat(2000)));
    messages
}

/// The message of a number: one of the wrong ones, or a part of a right one.
fn message(number: usize, wrong: &[String], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = match number % 3 {
        0 => wrong[dice.below(wrong.len())].clone().into_bytes(),
        _ => valid().to_string().into_bytes(),
    };
    match number % 3 {
        // Its end is missing, so it is no JSON.
        1 => bytes.truncate(dice.below(bytes.len())),
        // What no JSON has is in it.
        2 => {
            let place = dice.below(bytes.len());
            bytes.splice(place..place, [0xff, 0x00, 0xc3]);
        }
        _ => {}
    }
    bytes
}

#[test]
fn ten_thousand_malformed_messages_on_pipes() {
    let mut client = Client::open(&["--profile", "workspace-core"]);
    client.done("workspace_create", json!({"name": "a"}));
    client.done(
        "workspace_exec",
        json!({"workspace_id": "a", "command": "echo once >> count"}),
    );
    let (wrong, mut dice) = (wrong(), Dice(1));
    for number in 0..MESSAGES {
        let mut bytes = message(number, &wrong, &mut dice);
        bytes.push(b'\n');
        client.write_bytes(&bytes);
        if number % LOOKS == LOOKS - 1 {
            let id = client.request("tools/call", json!({"name": "workspace_list", "arguments": {}}));
            let listed = client.answer(id);
            let count = &listed["result"]["structuredContent"]["count"];
            assert_eq!(*count, 1, "after {number}: {listed}");
        }
    }
    let status = client.done("workspace_status", json!({"workspace_id": "a"}));
    assert_eq!(status["structuredContent"]["total_command_count"], 1, "{status}");
    let count = client.done(
        "workspace_exec",
        json!({"workspace_id": "a", "command": "cat count"}),
    );
    assert!(text(&count).contains("\nstdout:\nonce\n"), "{}", text(&count));
    client.done("workspace_delete", json!({"workspace_id": "a"}));
    assert_eq!(client.vm_processes(), [], "nothing runs without an owner");
    client.close_input();
    let status = client.exit_status(Duration::from_secs(10));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn ten_thousand_malformed_requests_over_http() {
    let server = Server::start(&["--profile", "workspace-core"]);
    server.result(
        "/mcp",
        "tools/call",
        json!({"name": "workspace_create", "arguments": {"name": "a"}}),
    );
    let bearer = format!("Bearer {}", server.token());
    let (wrong, mut dice) = (wrong(), Dice(2));
    let versions = ["2026-07-28", "2025-11-25", "1999-01-01", ""];
    let types = ["application/json", "text/plain", "application/json; charset=x"];
    for number in 0..MESSAGES {
        let body = message(number, &wrong, &mut dice);
        let headers = [
            ("Authorization", bearer.as_str()),
            (
                "Content-Type",
                types[dice.below(types.len() * 4).saturating_sub(types.len() * 3)],
            ),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", versions[dice.below(versions.len())]),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "workspace_exec"),
            ("Mcp-Session-Id", "00000000-0000-0000-0000-000000000000"),
        ];
        let status = server.status("/mcp", &headers[..headers.len() - dice.below(3)], &body);
        assert!(
            (200..500).contains(&status),
            "{number}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        if number % LOOKS == LOOKS - 1 {
            assert_eq!(server.tools("/mcp").len(), 16, "after {number}");
        }
    }
    let status = json!({"name": "workspace_status", "arguments": {"workspace_id": "a"}});
    let status = server.result("/mcp", "tools/call", status);
    assert_eq!(status["structuredContent"]["total_command_count"], 0, "{status}");
    let delete = json!({"name": "workspace_delete", "arguments": {"workspace_id": "a"}});
    server.result("/mcp", "tools/call", delete);
    let left = all_of(server.pid(), server.home());
    assert!(
        left.iter().all(|process| process.pid() == server.pid()),
        "{left:?}"
    );
}
