//! What a client sees without a VM: listing, refusals, lines that are no messages.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, server, text};

#[test]
fn every_profile_lists_its_tools_as_frozen_and_the_full_one_is_the_default() {
    let full = include_str!("../frozen/workspace-full.auto.json");
    for (arguments, frozen) in [
        (
            &["--profile", "vm-run"][..],
            include_str!("../frozen/vm-run.auto.json"),
        ),
        (
            &["--profile", "workspace-core"],
            include_str!("../frozen/workspace-core.auto.json"),
        ),
        (&["--profile", "workspace-full"], full),
        (&[], full),
    ] {
        let mut frozen: Value = serde_json::from_str(frozen).unwrap();
        let mut client = Client::open(arguments);
        let id = client.request("tools/list", json!({}));
        let listed = client.answer(id)["result"]["tools"].clone();
        for (frozen, listed) in frozen
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .zip(listed.as_array().unwrap())
        {
            // The most memory is the host's.
            let most = "/inputSchema/properties/mem_mib/maximum";
            if let (Some(frozen), Some(listed)) = (frozen.pointer_mut(most), listed.pointer(most)) {
                *frozen = listed.clone();
            }
        }
        assert_eq!(listed, frozen, "{arguments:?}");
    }
}

#[test]
fn a_profile_can_be_narrowed_and_says_nothing_of_what_is_left_out() {
    let mut client = Client::start(&[
        "--profile",
        "workspace-core",
        "--tools",
        "workspace_list,workspace_status,workspace_exec",
        "--exclude-tools",
        "workspace_status",
        "--read-only",
    ]);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    let id = client.request("initialize", params);
    let instructions = client.answer(id)["result"]["instructions"].clone();
    assert!(
        !instructions.as_str().unwrap().contains("workspace_"),
        "{instructions}"
    );
    client.notify("notifications/initialized", json!({}));
    let id = client.request("tools/list", json!({}));
    let listed = client.answer(id)["result"]["tools"].clone();
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["name"])
        .collect();
    assert_eq!(names, ["workspace_list"]);
    let id = client.request("tools/call", json!({"name": "workspace_exec", "arguments": {}}));
    let error = client.answer(id)["error"].clone();
    assert_eq!(error["code"], -32602, "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .ends_with("known: workspace_list"),
        "{error}"
    );
}

#[test]
fn a_tool_that_the_profile_does_not_have_is_refused_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (
            ["--tools", "workspace_lisst"],
            "hint: did you mean `workspace_list`?",
        ),
        (
            ["--exclude-tools", "snapshot_create"],
            "workspace-core has no tool `snapshot_create`",
        ),
    ] {
        let core = [&["--profile", "workspace-core"][..], &arguments].concat();
        let output = server(&core, home.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(expected), "{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
    }
}

#[test]
fn the_default_environment_can_be_chosen() {
    let mut client = Client::open(&["--profile", "vm-run", "--environment", "debian:12-build"]);
    let id = client.request("tools/list", json!({}));
    let tool = client.answer(id)["result"]["tools"][0].clone();
    assert!(
        tool["description"]
            .as_str()
            .unwrap()
            .contains("debian:12-build (default")
    );
    assert_eq!(
        tool["inputSchema"]["properties"]["environment"]["default"],
        "debian:12-build"
    );
}

#[test]
fn bad_arguments_are_results_and_an_unknown_tool_is_an_error() {
    let mut client = Client::open(&["--profile", "vm-run"]);
    let unknown = client.run(json!({"command": "true", "foo": 1}));
    assert_eq!(unknown["isError"], true);
    assert!(
        text(&unknown)
            .starts_with("error unknown-argument: `vm_run` has no argument `foo`\nhint: known: command")
    );
    let invalid = client.run(json!({"command": "true", "mem_mib": 64}));
    assert_eq!(invalid["isError"], true);
    assert!(
        text(&invalid).starts_with("error invalid-argument: `mem_mib` must be 128–"),
        "{invalid}"
    );
    let id = client.request("tools/call", json!({"name": "workspace_create", "arguments": {}}));
    assert_eq!(client.answer(id)["error"]["code"], -32602);
    assert!(client.vm_processes().is_empty(), "nothing has run");
}

#[test]
fn an_unknown_environment_is_a_result_that_names_near_ones() {
    let mut client = Client::open(&[]);
    let result = client.run(json!({"command": "true", "environment": "debian:12-bulid"}));
    assert_eq!(result["isError"], true);
    assert!(
        text(&result).starts_with("error environment-not-found: "),
        "{result}"
    );
    assert!(
        text(&result).contains("\nhint: ") && text(&result).contains("debian:12-build"),
        "{result}"
    );
}

#[test]
fn lines_that_are_no_messages_change_nothing() {
    let mut client = Client::start(&[]);
    client.write_line("garbage before the handshake");
    let id = client.request(
        "initialize",
        json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}),
    );
    assert_eq!(client.answer(id)["result"]["protocolVersion"], "2024-11-05");
    for line in ["", "garbage", "{\"jsonrpc\":", "\u{1b}[31m", "null"] {
        client.write_line(line);
    }
    let id = client.request("ping", json!({}));
    assert_eq!(client.answer(id)["result"], json!({}));
}

#[test]
fn a_client_that_asks_and_closes_at_once_gets_its_answers() {
    let mut client = Client::open(&[]);
    let id = client.request("tools/list", json!({}));
    client.close_input();
    let listed = client.answer(id)["result"]["tools"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(27));
    assert!(client.exit_status(Duration::from_secs(1)).unwrap().success());
}

#[test]
fn an_unknown_profile_is_a_usage_error() {
    let mut client = Client::start(&["--profile", "workspace"]);
    assert_eq!(
        client.exit_status(Duration::from_secs(10)).unwrap().code(),
        Some(2)
    );
}
