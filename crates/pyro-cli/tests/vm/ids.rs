//! What is no id of a workspace, wherever one is expected: it is refused before a path is made of it.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::mcp::Server;
use crate::workspace::Workspaces;

/// None of them is an id or a name: paths, names of environments, names that are no names.
const BAD: [&str; 12] = [
    "../x",
    "..",
    ".",
    ".hidden",
    "/etc",
    "/",
    "a/../b",
    "x/",
    "debian:12",
    "docker.io/library/python:3.12",
    "a\\b",
    "",
];

/// Every command that takes an id, with `ID` in its place.
const COMMANDS: [&[&str]; 16] = [
    &["status", "ID"],
    &["update", "ID", "--name", "other"],
    &["exec", "ID", "--", "true"],
    &["logs", "ID"],
    &["kill", "ID", "1"],
    &["stop", "ID"],
    &["start", "ID"],
    &["reset", "ID"],
    &["delete", "ID"],
    &["sync", "push", "ID", "source"],
    &["diff", "ID"],
    &[
        "patch",
        "apply",
        "ID",
        "--patch",
        "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n",
    ],
    &["export", "ID", "--output", "out"],
    &["file", "list", "ID"],
    &["file", "read", "ID", "f"],
    &["file", "write", "ID", "f", "--text", "x"],
];

/// Every tool that takes one, with its other arguments.
fn tools(home: &Path) -> Vec<(&'static str, Value)> {
    let path = |name: &str| home.join(name).to_string_lossy().into_owned();
    vec![
        ("workspace_status", json!({})),
        ("workspace_update", json!({"name": "other"})),
        ("workspace_exec", json!({"command": "true"})),
        ("workspace_logs", json!({})),
        ("workspace_reset", json!({})),
        ("workspace_delete", json!({})),
        ("workspace_sync_push", json!({"source_path": path("source")})),
        ("workspace_diff", json!({})),
        ("workspace_patch_apply", json!({"patch": COMMANDS[11][4]})),
        ("workspace_export", json!({"output_path": path("out")})),
        ("workspace_file_list", json!({})),
        ("workspace_file_read", json!({"path": "f"})),
        ("workspace_file_write", json!({"path": "f", "text": "x"})),
        ("workspace_stop", json!({})),
        ("workspace_start", json!({})),
    ]
}

/// Every tool that takes the id of a one-shot VM, which has no name.
const VM_TOOLS: [&str; 6] = [
    "vm_start",
    "vm_stop",
    "vm_delete",
    "vm_status",
    "vm_network_info",
    "vm_exec",
];

/// Fails unless a tool refuses what is no id, before anything else.
fn assert_refused(server: &mut Server, tool: &str, mut arguments: Value, parameter: &str, bad: &str) {
    if tool != "vm_exec" && parameter == "vm_id" {
        arguments = json!({});
    }
    arguments[parameter] = bad.into();
    let error = server.call(tool, &arguments).unwrap_err();
    // That nothing is given is found before it is taken for an id.
    let code = if bad.is_empty() {
        "invalid-argument"
    } else {
        "invalid-id"
    };
    assert_eq!(error["code"], code, "{tool} {bad:?}: {error:#}");
    assert!(error["hint"].is_string(), "{tool} {bad:?}: {error:#}");
}

/// A path with what tells whether it was touched.
type Touch = (String, u64, i64, i64, Vec<u8>);

fn tree(dir: &Path) -> Vec<Touch> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        found.push((
            path.to_string_lossy().into_owned(),
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            content,
        ));
        if metadata.is_dir() {
            found.extend(tree(&path));
        }
    }
    found.sort();
    found
}

/// A home in which `../x` and others would be found.
fn with_victims(home: &Workspaces) {
    let make = |path: &Path| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .unwrap();
    };
    let state = home.home().state();
    for dir in [
        state.join("x"),
        state.join("workspaces/.hidden"),
        home.home().path().join("source"),
    ] {
        make(&dir);
        fs::write(dir.join("record.json"), "{}").unwrap();
    }
}

fn remove_victims(home: &Workspaces) {
    let state = home.home().state();
    fs::remove_dir_all(state.join("x")).unwrap();
    fs::remove_dir_all(state.join("workspaces/.hidden")).unwrap();
}

#[test]
fn what_is_no_id_is_refused_by_every_command_and_touches_nothing() {
    let home = Workspaces::new();
    with_victims(&home);
    let before = tree(home.home().path());
    for bad in BAD {
        for command in COMMANDS {
            let words: Vec<&str> = command
                .iter()
                .map(|word| if *word == "ID" { bad } else { *word })
                .collect();
            let (status, told) = home.json(&words);
            assert_eq!(
                (status, &told["error"]["code"]),
                (2, &json!("invalid-id")),
                "{words:?}: {told:#}"
            );
            assert!(told["error"]["hint"].is_string(), "{words:?}: {told:#}");
        }
    }
    assert_eq!(tree(home.home().path()), before);
    remove_victims(&home);
}

#[test]
fn what_is_no_id_is_refused_by_every_tool_and_touches_nothing() {
    let home = Workspaces::new();
    with_victims(&home);
    let before = tree(home.home().path());
    let mut server = Server::start_with_profile(home.home(), "workspace-full");
    for bad in BAD {
        for tool in VM_TOOLS {
            assert_refused(&mut server, tool, json!({"command": "true"}), "vm_id", bad);
        }
        for (tool, arguments) in tools(home.home().path()) {
            assert_refused(&mut server, tool, arguments, "workspace_id", bad);
        }
    }
    // A workspace may be called so, and a VM may not.
    for tool in VM_TOOLS {
        for bad in ["alpha", "3F2A91C0D4E5", "3f2a91c0d4e5f"] {
            assert_refused(&mut server, tool, json!({"command": "true"}), "vm_id", bad);
        }
    }
    server.end();
    assert_eq!(tree(home.home().path()), before);
    remove_victims(&home);
}
