//! One-shot VMs as far as there are none: lists, refusals.

use pyro_mcp::ServerOptions;
use serde_json::{Value, json};

use crate::client::{Client, core, text};

async fn open() -> Client {
    Client::open(ServerOptions::default(), "2025-11-25").await.0
}

async fn called(client: &mut Client, tool: &str, arguments: Value) -> Value {
    client.call(tool, arguments).await["result"].clone()
}

#[tokio::test]
async fn bad_arguments_about_vms_are_refused_before_anything_runs() {
    let mut client = open().await;
    for (tool, arguments, refusal) in [
        ("vm_status", json!({}), "invalid-argument: `vm_id` is required"),
        (
            "vm_start",
            json!({"vm_id": "../x"}),
            "invalid-id: `../x` is not an id",
        ),
        (
            "vm_create",
            json!({"network": true}),
            "unknown-argument: `vm_create` has no argument `network`",
        ),
        (
            "vm_create",
            json!({"ttl_seconds": 1}),
            "invalid-argument: `ttl_seconds` must be 60–604800, got `1`",
        ),
        (
            "vm_exec",
            json!({"vm_id": "000000000000"}),
            "invalid-argument: `command` is required",
        ),
        (
            "vm_exec",
            json!({"vm_id": "000000000000", "command": "x", "environment": "debian:12"}),
            "unknown-argument: `vm_exec` has no argument `environment`",
        ),
        (
            "vm_reap_expired",
            json!({"vm_id": "000000000000"}),
            "unknown-argument: `vm_reap_expired` has no argument `vm_id`",
        ),
    ] {
        let result = called(&mut client, tool, arguments).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        let said = text(&result);
        assert!(said.starts_with(&format!("error {refusal}")), "{tool}: {said}");
    }
}

#[tokio::test]
async fn a_vm_that_is_not_there_is_an_error_of_every_tool() {
    let mut client = open().await;
    for tool in ["vm_start", "vm_stop", "vm_delete", "vm_status", "vm_network_info"] {
        let missing = called(&mut client, tool, json!({"vm_id": "000000000000"})).await;
        assert_eq!(
            text(&missing),
            "error vm-not-found: no VM `000000000000`\nhint: `vm_create` makes one\nreason: unknown",
            "{tool}"
        );
        assert_eq!(missing["structuredContent"]["error"]["code"], "vm-not-found");
    }
    let arguments = json!({"vm_id": "000000000000", "command": "true"});
    let missing = called(&mut client, "vm_exec", arguments).await;
    assert!(text(&missing).starts_with("error vm-not-found: "), "{missing}");
    assert_eq!(missing["structuredContent"], Value::Null);
}

#[tokio::test]
async fn what_needs_no_vm_answers_in_both_forms() {
    let mut client = open().await;
    let reaped = called(&mut client, "vm_reap_expired", json!({})).await;
    assert_eq!(text(&reaped), "removed 0 expired VMs\n");
    assert_eq!(
        reaped["structuredContent"],
        json!({"deleted_vm_ids": [], "count": 0})
    );
    let listed = called(&mut client, "vm_list_environments", json!({})).await;
    let object = &listed["structuredContent"];
    assert_eq!(object["count"], 3);
    assert_eq!(object["environments"][0]["name"], "debian:12");
    assert_eq!(object["environments"][0]["state"], "absent");
    let said = text(&listed);
    assert!(
        said.starts_with("3 environments · catalog 1\ndebian:12 · absent, fetched on first use · "),
        "{said}"
    );
}

#[tokio::test]
async fn the_smaller_profile_has_none_of_these_tools() {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    for tool in ["vm_create", "vm_list_environments", "workspace_start"] {
        let answer = client.call(tool, json!({})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}
