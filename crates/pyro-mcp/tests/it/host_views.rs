//! Results as chat hosts show them to a model: each view has the outcome, the end of the output and the next step.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, PATIENCE};

/// How a host makes what its model reads of a result.
type View = (&'static str, fn(&Value) -> String);

/// The hosts. What each does is what their sources and documents say.
const HOSTS: [View; 4] = [
    ("Codex", structured_wins),
    ("VS Code", structured_wins),
    ("OpenCode", content_wins),
    ("Claude Code", content_in_bounds),
];

/// The longest result that Claude Code shows as it is, in characters: 25,000 tokens, of which each has at least two.
const CLAUDE_CODE_CHARS: usize = 50_000;

fn texts(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    let texts: Vec<_> = blocks.filter_map(|block| block["text"].as_str()).collect();
    texts.join("\n")
}

/// A structured form takes the place of everything else.
fn structured_wins(result: &Value) -> String {
    match &result["structuredContent"] {
        Value::Null => texts(result),
        structured => structured.to_string(),
    }
}

/// A structured form is looked at only where there is nothing else, and never for an error.
fn content_wins(result: &Value) -> String {
    let text = texts(result);
    match (
        &result["structuredContent"],
        text.is_empty() && result["isError"] != true,
    ) {
        (structured, true) => structured.to_string(),
        _ => text,
    }
}

/// Text that is too long is put into a file, of which the model sees the name.
fn content_in_bounds(result: &Value) -> String {
    let text = texts(result);
    match text.chars().count() {
        length if length > CLAUDE_CODE_CHARS => format!("saved to a file: {length} characters"),
        _ => text,
    }
}

/// One of these must be in a view: as the text says it, or as the structured form does.
type Wanted<'a> = (&'a str, &'a [&'a str]);

/// Checks a result in the view of each host.
fn seen(what: &str, result: &Value, wanted: &[Wanted<'_>]) {
    for (host, view) in HOSTS {
        let view = view(result);
        for (meaning, words) in wanted {
            let is_there = words.iter().any(|word| view.contains(word));
            assert!(is_there, "{host} does not show {meaning} of {what}:\n{view}");
        }
    }
}

#[test]
fn every_host_shows_outcome_tail_and_next_step() {
    for structured in ["auto", "all"] {
        let mut client = Client::open(&["--profile", "workspace-core", "--structured", structured]);
        commands(&mut client);
        records(&mut client);
        errors(&mut client);
    }
}

#[test]
fn every_host_shows_what_the_full_profile_has_besides() {
    let place = TempDir::new().unwrap();
    let path = place.path().to_str().unwrap();
    fs::create_dir(place.path().join("in")).unwrap();
    fs::write(place.path().join("in/in.txt"), "1\n").unwrap();
    for structured in ["auto", "all"] {
        let mut client = Client::open(&["--structured", structured, "--allow-host-path", path]);
        transfers(&mut client, path);
        machines(&mut client);
    }
}

fn transfers(client: &mut Client, place: &str) {
    client.done("workspace_create", json!({"name": "a"}));
    let source = json!({"workspace_id": "a", "source_path": format!("{place}/in")});
    let pushed = client.done("workspace_sync_push", source);
    let where_to: Wanted<'_> = ("where", &["/workspace"]);
    let count: Wanted<'_> = ("how much", &["1 entry", "\"entry_count\":1"]);
    seen("workspace_sync_push", &pushed, &[where_to, count]);
    let output = format!("{place}/out.txt");
    let export = json!({"workspace_id": "a", "path": "in.txt", "output_path": output, "force": true});
    let exported = client.done("workspace_export", export);
    seen("workspace_export", &exported, &[("where", &[&output])]);
    for (tool, state) in [("workspace_stop", "stopped"), ("workspace_start", "started")] {
        let result = client.done(tool, json!({"workspace_id": "a"}));
        seen(tool, &result, &[("its state", &[state])]);
    }
    client.done("workspace_delete", json!({"workspace_id": "a"}));
}

fn machines(client: &mut Client) {
    let listed = client.done("vm_list_environments", json!({}));
    seen("vm_list_environments", &listed, &[("a name", &["debian:12"])]);
    let created = client.done("vm_create", json!({}));
    let id = created["structuredContent"]["vm_id"].as_str().unwrap().to_owned();
    let vm = json!({"vm_id": id});
    let which: Wanted<'_> = ("which", &[&id]);
    seen(
        "vm_create",
        &created,
        &[which, ("its state", &["created", "stopped"])],
    );
    let started = client.done("vm_start", vm.clone());
    seen("vm_start", &started, &[which, ("its state", &["started"])]);
    seen("vm_status", &client.done("vm_status", vm.clone()), &[which]);
    let network = client.done("vm_network_info", vm.clone());
    let off: Wanted<'_> = ("that it has none", &["no network", "\"network_enabled\":false"]);
    seen("vm_network_info", &network, &[off]);
    let long = json!({"vm_id": id, "command": "seq 1 30000; echo the-end; exit 3"});
    let ran = client.done("vm_exec", long);
    let code: Wanted<'_> = ("its exit code", &["exit 3 in ", "\"exit_code\":3"]);
    let end: Wanted<'_> = ("its tail", &["\nthe-end\n", "\\nthe-end\\n"]);
    seen("vm_exec", &ran, &[code, end]);
    // The command was its only one.
    let gone = client.call("vm_status", vm);
    for (host, view) in HOSTS {
        let view = view(&gone);
        assert!(view.contains("vm-not-found"), "{host}: {view}");
    }
    let another = client.done("vm_create", json!({}));
    let vm = json!({"vm_id": another["structuredContent"]["vm_id"]});
    client.done("vm_start", vm.clone());
    seen(
        "vm_stop",
        &client.done("vm_stop", vm.clone()),
        &[("its state", &["stopped"])],
    );
    let deleted = client.done("vm_delete", vm);
    let explicit: Wanted<'_> = ("what became of it", &["deleted"]);
    seen("vm_delete", &deleted, &[explicit]);
    let reaped = client.done("vm_reap_expired", json!({}));
    let none: Wanted<'_> = ("how many", &["no VM", "0", "\"count\":0"]);
    seen("vm_reap_expired", &reaped, &[none]);
}

fn commands(client: &mut Client) {
    let tail = "seq 1 30000; echo the-end; exit 3";
    let run = client.run(json!({"command": tail}));
    let cut: Wanted<'_> = ("that it is cut", &["bytes omitted", "\"truncated\":true"]);
    let end: Wanted<'_> = ("its tail", &["\nthe-end\n", "\\nthe-end\\n"]);
    let code: Wanted<'_> = ("its exit code", &["exit 3 in ", "\"exit_code\":3"]);
    let gone: Wanted<'_> = ("what became of the VM", &[" deleted\n", "\"deleted\":true"]);
    seen("vm_run", &run, &[code, end, cut, gone]);

    let late = client.run(json!({"command": "echo before; sleep 60", "timeout_seconds": 2}));
    let timed_out: Wanted<'_> = ("that it timed out", &["timed out after ", "\"timed_out\":true"]);
    let before: Wanted<'_> = ("its output until then", &["\nbefore\n", "before\\n"]);
    let code_124: Wanted<'_> = ("its exit code", &["exit 124", "\"exit_code\":124"]);
    seen("a time limit", &late, &[timed_out, before, code_124]);

    let outcome: Wanted<'_> = ("that it runs", &["still ", "\"outcome\":\"running\""]);
    let left = client.run(json!({"command": "sleep 600", "timeout_seconds": 600, "wait_seconds": 1}));
    let vm_id: Wanted<'_> = ("how to wait", &["vm_run vm_id=", "\"vm_id\":\""]);
    seen("a run that outlives its call", &left, &[outcome, vm_id]);

    let created = client.done("workspace_create", json!({"name": "a"}));
    let started: Wanted<'_> = ("its state", &["started", "\"state\":\"started\""]);
    let id: Wanted<'_> = ("its id", &[" workspace ", "\"workspace_id\":"]);
    seen("workspace_create", &created, &[started, id]);

    let exec = client.done("workspace_exec", json!({"workspace_id": "a", "command": tail}));
    let rest: Wanted<'_> = (
        "where the rest is",
        &["workspace_logs sequence=1", "\"sequence\":1"],
    );
    seen("workspace_exec", &exec, &[code, end, cut, rest]);

    let long = json!({"workspace_id": "a", "command": "echo begun; sleep 3", "wait_seconds": 1});
    let running = client.done("workspace_exec", long);
    let next: Wanted<'_> = ("how to wait", &["workspace_logs sequence=2", "\"sequence\":2"]);
    seen("a command that runs on", &running, &[outcome, next]);
    let wait = json!({"workspace_id": "a", "sequence": 2, "wait_seconds": PATIENCE.as_secs()});
    let ended = client.done("workspace_logs", wait);
    let begun: Wanted<'_> = ("its output", &["\nbegun\n", "begun\\n"]);
    let code_0: Wanted<'_> = ("its exit code", &["exit 0 in ", "\"exit_code\":0"]);
    seen("workspace_logs", &ended, &[begun, code_0]);

    let silent = client.done(
        "workspace_exec",
        json!({"workspace_id": "a", "command": "seq 1 20000 > f"}),
    );
    seen("a silent command", &silent, &[code_0]);
    let read = client.done(
        "workspace_file_read",
        json!({"workspace_id": "a", "path": "f", "max_bytes": 100}),
    );
    let offset: Wanted<'_> = (
        "where to go on",
        &["offset=100", "\"next_offset\":100", "\"next_offset\":"],
    );
    seen(
        "workspace_file_read",
        &read,
        &[("its content", &["\n1\n2\n", "1\\n2\\n"]), offset],
    );
    let diff = client.done(
        "workspace_diff",
        json!({"workspace_id": "a", "max_output_chars": 1000}),
    );
    let path: Wanted<'_> = ("what changed", &["f"]);
    seen(
        "workspace_diff",
        &diff,
        &[path, ("that it is cut", &["too-large", "\"truncated\":true"])],
    );
}

fn records(client: &mut Client) {
    let a: Wanted<'_> = ("which", &["(a)", "\"name\":\"a\""]);
    for (tool, arguments) in [
        ("workspace_status", json!({"workspace_id": "a"})),
        ("workspace_list", json!({})),
        (
            "workspace_update",
            json!({"workspace_id": "a", "labels": {"x": "y"}}),
        ),
        ("workspace_reset", json!({"workspace_id": "a"})),
    ] {
        let result = client.done(tool, arguments);
        seen(tool, &result, &[a]);
    }
    let written = client.done(
        "workspace_file_write",
        json!({"workspace_id": "a", "path": "g", "text": "1\n"}),
    );
    seen("workspace_file_write", &written, &[("where", &["/workspace/g"])]);
    let listed = client.done("workspace_file_list", json!({"workspace_id": "a"}));
    seen(
        "workspace_file_list",
        &listed,
        &[("what is there", &["/workspace/g"])],
    );
    let patch = "--- a/g\n+++ b/g\n@@ -1 +1 @@\n-1\n+2\n";
    let patched = client.done(
        "workspace_patch_apply",
        json!({"workspace_id": "a", "patch": patch}),
    );
    seen(
        "workspace_patch_apply",
        &patched,
        &[("what changed", &["/workspace/g"])],
    );
    let deleted = client.done("workspace_delete", json!({"workspace_id": "a"}));
    seen(
        "workspace_delete",
        &deleted,
        &[("what became of it", &["deleted · ", "\"deleted\":true"])],
    );
}

fn errors(client: &mut Client) {
    for (tool, arguments, code, next) in [
        (
            "vm_run",
            json!({"command": "true", "foo": 1}),
            "unknown-argument",
            "command, vm_id",
        ),
        (
            "vm_run",
            json!({"command": "true", "environment": "no such"}),
            "invalid-argument",
            "vm_run",
        ),
        (
            "workspace_status",
            json!({"workspace_id": "gone"}),
            "workspace-not-found",
            "workspace_create",
        ),
        (
            "workspace_exec",
            json!({"workspace_id": "gone", "command": "x"}),
            "workspace-not-found",
            "workspace_create",
        ),
        (
            "workspace_create",
            json!({"seed_path": "/etc"}),
            "host-path-denied",
            "--allow-host-path",
        ),
    ] {
        let result = client.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result}");
        for (host, view) in HOSTS {
            let view = view(&result);
            for word in [code, next] {
                assert!(
                    view.contains(word),
                    "{host} does not show {word} of a refused {tool}:\n{view}"
                );
            }
        }
    }
}
