//! The protocol itself, by the profile with a single tool.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::{Client, SOON, all, modern, vm_run};

const HANDSHAKE_REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn every_handshake_revision_is_spoken() {
    for revision in HANDSHAKE_REVISIONS {
        let (mut client, opened) = Client::open(vm_run(), revision).await;
        assert_eq!(opened["protocolVersion"], revision);
        assert_eq!(opened["serverInfo"]["name"], "pyro");
        assert_eq!(opened["serverInfo"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(
            opened["capabilities"],
            json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "resources": {}, "tools": {}})
        );
        assert!(opened["instructions"].as_str().unwrap().contains("vm_run"));
        assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
        let listed = client.ask("tools/list", json!({})).await;
        assert_eq!(listed["result"]["tools"][0]["name"], "vm_run");
        assert_eq!(listed["result"]["ttlMs"], Value::Null);
    }
}

#[tokio::test]
async fn a_handshake_in_an_unknown_revision_is_offered_the_newest() {
    let (_client, opened) = Client::open(vm_run(), "2099-01-01").await;
    assert_eq!(opened["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn the_stateless_revision_is_spoken_without_a_handshake() {
    let mut client = Client::connect(vm_run());
    let found = client.ask("server/discover", modern(json!({}))).await;
    let found = &found["result"];
    assert!(
        found["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28"))
    );
    assert!(found["instructions"].as_str().unwrap().contains("vm_run"));
    assert_eq!(
        (&found["ttlMs"], &found["cacheScope"]),
        (&json!(3_600_000), &json!("public"))
    );
    let listed = client.ask("tools/list", modern(json!({}))).await;
    let listed = &listed["result"];
    assert_eq!(listed["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["ttlMs"], &listed["cacheScope"]),
        (&json!(3_600_000), &json!("public"))
    );
    assert_eq!(listed["resultType"], "complete");
    let refused = client
        .ask(
            "tools/call",
            modern(json!({"name": "vm_run", "arguments": {"foo": 1}})),
        )
        .await;
    assert_eq!(refused["result"]["isError"], true);
    assert_eq!(refused["result"]["resultType"], "complete");
}

#[tokio::test]
async fn a_bad_argument_is_a_result_that_says_what_is_wrong() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for (arguments, text) in [
        (
            json!({"command": "true", "memory": 512}),
            "error unknown-argument: `vm_run` has no argument `memory`\nhint: did you mean `mem_mib`? known: command, \
             vm_id, wait_seconds, environment, vcpu_count, mem_mib, timeout_seconds, ttl_seconds, seed_path, return_diff, \
             max_output_chars",
        ),
        (
            json!({}),
            "error invalid-argument: `command` is required\nhint: pass `command` as a string, or `vm_id` to wait on for a run",
        ),
        (
            json!({"command": "true", "timeout_seconds": 0}),
            "error invalid-argument: `timeout_seconds` must be 1–86400, got `0`\nhint: pass `timeout_seconds` as a \
             whole number of at least 1 and at most 86400",
        ),
    ] {
        let result = client.call("vm_run", arguments).await["result"].clone();
        assert_eq!(result["isError"], true);
        assert_eq!(result["content"], json!([{"type": "text", "text": text}]));
        assert_eq!(result["structuredContent"], Value::Null);
    }
}

#[tokio::test]
async fn with_structure_an_error_has_its_object_and_conforms() {
    let (mut client, _) = Client::open(all(), "2025-11-25").await;
    let listed = client.ask("tools/list", json!({})).await;
    assert_eq!(
        listed["result"]["tools"][0]["outputSchema"]["properties"]["error"]["type"],
        "object"
    );
    let result = client.call("vm_run", json!({"foo": 1})).await["result"].clone();
    let error = &result["structuredContent"]["error"];
    assert_eq!(error["code"], "unknown-argument");
    assert!(error["hint"].as_str().unwrap().starts_with("known: command"));
}

#[tokio::test]
async fn what_is_not_offered_is_an_error_of_the_protocol() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for tool in ["workspace_create", "VM_RUN", ""] {
        let answer = client.call(tool, json!({})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("vm_run"));
    }
    assert_eq!(
        client.ask("tools/list", json!({"cursor": "x"})).await["error"]["code"],
        -32602
    );
    for (method, params) in [
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "x"})),
        ("logging/setLevel", json!({"level": "info"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}),
        ),
        ("no/such", json!({})),
    ] {
        let answer = client.ask(method, params).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
}

#[tokio::test]
async fn lines_that_are_no_messages_do_not_end_the_session() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for line in ["", "garbage", "{\"jsonrpc\":", "\u{0}\u{1}"] {
        client.send_line(line).await;
    }
    assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
    for message in ["[]", "7", "{}", "{\"jsonrpc\":\"1.0\",\"id\":1}"] {
        client.send_line(message).await;
        let answer = client.receive().await;
        assert_eq!(answer["error"]["code"], -32600, "{message}: {answer}");
    }
    assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn the_server_leaves_at_the_end_of_input_with_its_answers_sent() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for id in 0..20 {
        client
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}))
            .await;
    }
    client.input.shutdown().await.unwrap();
    let mut answered = Vec::new();
    while let Ok(Some(line)) = timeout(SOON, client.output.next_line()).await.unwrap() {
        let answer: Value = serde_json::from_str(&line).unwrap();
        answered.push(answer["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..20).collect::<Vec<_>>());
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn the_server_leaves_when_it_is_told_to_or_nobody_listens() {
    let (client, _) = Client::open(vm_run(), "2025-11-25").await;
    client.stop.cancel();
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();

    let unopened = Client::connect(vm_run());
    unopened.stop.cancel();
    timeout(Duration::from_secs(1), unopened.served)
        .await
        .unwrap()
        .unwrap();

    let (client, _) = Client::open(vm_run(), "2025-11-25").await;
    drop((client.input, client.output));
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_session_that_never_begins_is_no_failure() {
    let mut client = Client::connect(vm_run());
    client.input.shutdown().await.unwrap();
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
}
