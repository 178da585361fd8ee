//! Workspaces as far as there are none: lists, refusals.

use pyro_mcp::{Profile, ServerOptions};
use serde_json::{Value, json};

use crate::client::{Client, core, text, vm_run};

#[tokio::test]
async fn each_profile_lists_its_own_tools_and_the_full_one_is_the_default() {
    for (options, count) in [
        (vm_run(), 1),
        (core(&[]), 16),
        (ServerOptions::new(Profile::WorkspaceFull), 27),
        (ServerOptions::default(), 27),
    ] {
        let (mut client, opened) = Client::open(options, "2025-11-25").await;
        let listed = client.ask("tools/list", json!({})).await;
        let tools = listed["result"]["tools"].as_array().unwrap();
        assert_eq!(tools.len(), count);
        assert!(tools.iter().any(|tool| tool["name"] == "vm_run"));
        let instructions = opened["instructions"].as_str().unwrap();
        assert_eq!(instructions.contains("workspace_create"), count > 1);
    }
}

#[tokio::test]
async fn a_workspace_that_is_not_there_is_an_error_in_both_forms() {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    let missing = client
        .call("workspace_status", json!({"workspace_id": "alpha"}))
        .await["result"]
        .clone();
    assert_eq!(missing["isError"], true);
    let said =
        "error workspace-not-found: no workspace `alpha`\nhint: there is none; `workspace_create` makes one";
    assert_eq!(text(&missing), said);
    assert_eq!(
        missing["structuredContent"]["error"]["code"],
        "workspace-not-found"
    );
    // A tool whose payload is text has no second form.
    let missing = client
        .call("workspace_logs", json!({"workspace_id": "alpha"}))
        .await["result"]
        .clone();
    assert!(text(&missing).starts_with("error workspace-not-found: "));
    assert_eq!(missing["structuredContent"], Value::Null);
}

/// Calls tools with arguments that cannot be used.
async fn all_refused<const COUNT: usize>(calls: [(&str, Value, &str); COUNT]) {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    for (tool, arguments, refusal) in calls {
        let result = client.call(tool, arguments).await["result"].clone();
        assert_eq!(result["isError"], true, "{tool}: {result}");
        let said = text(&result);
        assert!(said.starts_with(&format!("error {refusal}")), "{tool}: {said}");
    }
}

#[tokio::test]
async fn bad_arguments_about_workspaces_are_refused_before_anything_runs() {
    all_refused([
        (
            "workspace_status",
            json!({}),
            "invalid-argument: `workspace_id` is required",
        ),
        (
            "workspace_status",
            json!({"workspace_id": "../x"}),
            "invalid-id: ",
        ),
        (
            "workspace_status",
            json!({"workspace_id": "/etc/passwd"}),
            "invalid-id: ",
        ),
        (
            "workspace_create",
            json!({"include_ignored": true}),
            "unknown-argument: `workspace_create` has no argument `include_ignored`",
        ),
        (
            "workspace_create",
            json!({"name": "a/b"}),
            "invalid-argument: the name `a/b` ",
        ),
        (
            "workspace_create",
            json!({"labels": {"": "x"}}),
            "invalid-argument: `labels` needs keys",
        ),
        (
            "workspace_create",
            json!({"labels": ["x"]}),
            "invalid-argument: `labels` must be an object",
        ),
        (
            "workspace_list",
            json!({"state": "gone"}),
            "invalid-argument: `state` must be one of creating, ",
        ),
        (
            "workspace_list",
            json!({"page": "x"}),
            "invalid-argument: `page` must be what next_page said",
        ),
        (
            "workspace_list",
            json!({"limit": 1001}),
            "invalid-argument: `limit` must be 1–1000, got `1001`",
        ),
        (
            "workspace_update",
            json!({"workspace_id": "a", "name": "b", "clear_name": true}),
            "invalid-argument: `clear_name` cannot be given with `name`",
        ),
    ])
    .await;
}

#[tokio::test]
async fn bad_arguments_about_commands_are_refused_before_anything_runs() {
    all_refused([
        (
            "workspace_exec",
            json!({"workspace_id": "a", "command": "x", "user": "root"}),
            "unknown-argument: `workspace_exec` has no argument `user`",
        ),
        (
            "workspace_exec",
            json!({"workspace_id": "a", "command": "x", "env": {"A": 1}}),
            "invalid-argument: `env` must be an object with strings as values",
        ),
        (
            "workspace_logs",
            json!({"workspace_id": "a", "sequence": 0}),
            "invalid-argument: `sequence` must be at least 1, got `0`",
        ),
    ])
    .await;
}

#[tokio::test]
async fn bad_arguments_about_files_are_refused_before_anything_runs() {
    all_refused([
        (
            "workspace_file_read",
            json!({"workspace_id": "a", "path": "../x"}),
            "path-refused: `../x` leaves /workspace\nhint: give a path relative to /workspace, without `..`; use \
             `workspace_exec` for paths outside",
        ),
        (
            "workspace_file_read",
            json!({"workspace_id": "a", "path": "x", "offset": 1, "start_line": 1}),
            "invalid-argument: `offset` cannot be given with lines",
        ),
        (
            "workspace_file_write",
            json!({"workspace_id": "a", "path": "x", "text": "!", "encoding": "base64"}),
            "invalid-argument: `text` must be base64",
        ),
        (
            "workspace_patch_apply",
            json!({"workspace_id": "a", "patch": "x".repeat((8 << 20) + 1)}),
            "too-large: `patch` has 8388609 bytes, the limit is 8388608",
        ),
        (
            "workspace_export",
            json!({"workspace_id": "a", "output_path": "x", "changes": true, "as_patch": true}),
            "invalid-argument: `as_patch` cannot be given with `changes`",
        ),
        (
            "workspace_diff",
            json!({"workspace_id": "a", "from_snapshot": "before"}),
            "item-not-found: no snapshot `before` in `a`\nhint: snapshots: baseline\nkind: snapshot",
        ),
        (
            "workspace_reset",
            json!({"workspace_id": "a", "snapshot": "x"}),
            "item-not-found: ",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_list_of_nothing_has_both_forms() {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    let result = client.call("workspace_list", json!({})).await["result"].clone();
    assert_eq!(result["isError"], false);
    assert_eq!(text(&result), "0 workspaces\n");
    assert_eq!(
        result["structuredContent"],
        json!({"count": 0, "next_page": null, "workspaces": [], "warnings": []})
    );
}
