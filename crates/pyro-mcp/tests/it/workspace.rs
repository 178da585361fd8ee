//! Workspaces from their creation to their end, on real VMs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::process::survivors;

const CORE: &[&str] = &["--profile", "workspace-core"];

/// A workspace with a name.
fn with_workspace(arguments: &[&str]) -> (Client, String) {
    let mut client = Client::open(arguments);
    let created = client.done(
        "workspace_create",
        json!({"name": "alpha", "labels": {"branch": "main"}}),
    );
    let id = created["structuredContent"]["workspace_id"]
        .as_str()
        .unwrap()
        .to_owned();
    (client, id)
}

fn delete(client: &mut Client) {
    let deleted = client.done("workspace_delete", json!({"workspace_id": "alpha"}));
    assert_eq!(deleted["structuredContent"]["deleted"], true);
}

fn exec(client: &mut Client, command: &str) -> String {
    let result = client.done(
        "workspace_exec",
        json!({"workspace_id": "alpha", "command": command}),
    );
    assert_eq!(result["structuredContent"], Value::Null);
    text(&result).to_owned()
}

#[test]
fn a_workspace_is_made_used_reset_and_deleted() {
    let (mut client, id) = with_workspace(CORE);
    let status = client.done("workspace_status", json!({"workspace_id": id}));
    let object = &status["structuredContent"];
    assert_eq!(
        (&object["state"], &object["name"]),
        (&json!("started"), &json!("alpha"))
    );
    assert_eq!(object["workspace_seed"]["mode"], "empty");
    let tier = format!(
        "{}/{}",
        object["isolation"].as_str().unwrap(),
        object["vmm"].as_str().unwrap()
    );
    assert!(
        text(&status).starts_with(&format!("status · workspace {id} (alpha) · started · {tier}\n")),
        "{}",
        text(&status)
    );

    let failed = exec(&mut client, "echo kept > f; echo out; echo err >&2; exit 3");
    assert!(failed.starts_with("exit 3 in "), "{failed}");
    assert!(failed.contains(&format!(
        " · workspace {id} #1 · {tier}\n\nstdout:\nout\n\nstderr:\nerr\n"
    )));
    let told = client.done(
        "workspace_exec",
        json!({"workspace_id": id, "command": "pwd; echo $A", "cwd": "/tmp", "env": {"A": "b c"}}),
    );
    assert!(text(&told).contains("\nstdout:\n/tmp\nb c\n"), "{}", text(&told));
    assert!(exec(&mut client, "cat f").contains("\nstdout:\nkept\n"));

    let updated = client.done(
        "workspace_update",
        json!({"workspace_id": id, "labels": {"owner": "alice"}, "ttl_seconds": 600}),
    );
    assert_eq!(
        updated["structuredContent"]["labels"],
        json!({"branch": "main", "owner": "alice"})
    );
    let listed = client.done(
        "workspace_list",
        json!({"labels": {"owner": "alice"}, "state": "started"}),
    );
    assert_eq!(
        listed["structuredContent"]["workspaces"][0]["workspace_id"],
        id.as_str()
    );
    let none = client.done("workspace_list", json!({"labels": {"owner": "bob"}}));
    assert_eq!(none["structuredContent"]["count"], 0);

    let reset = client.done("workspace_reset", json!({"workspace_id": id}));
    let object = &reset["structuredContent"];
    assert_eq!(
        (&object["reset_count"], &object["command_count"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(object["workspace_reset"]["snapshot_name"], "baseline");
    assert!(
        exec(&mut client, "cat f").starts_with("exit 1 in "),
        "the file is gone"
    );
    let logs = client.done("workspace_logs", json!({"workspace_id": id}));
    let shown = text(&logs);
    assert!(
        shown.starts_with(&format!("4 commands · workspace {id}\n\n#1 · exit 3 in ")),
        "{shown}"
    );
    assert!(shown.contains("\n--- reset 1 ---\n\n#4 · exit 1 in "), "{shown}");

    let processes = client.workspace_processes(&id);
    assert!(processes.len() > 1, "supervisor and VMM run: {processes:?}");
    delete(&mut client);
    let gone = client.refused("workspace_status", json!({"workspace_id": id}));
    assert!(
        gone.starts_with(&format!("error workspace-not-found: no workspace `{id}`\nhint: ")),
        "{gone}"
    );
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "they are gone: {left:?}");
}

#[test]
fn a_workspace_outlives_its_server_and_a_taken_name_is_refused() {
    let (mut client, id) = with_workspace(CORE);
    assert!(exec(&mut client, "echo kept > f").starts_with("exit 0 in "));
    let mut client = client.restart(CORE);
    assert!(exec(&mut client, "cat f").contains("\nstdout:\nkept\n"));
    let taken = client.refused("workspace_create", json!({"name": "alpha"}));
    assert_eq!(
        taken,
        format!("error name-taken: a workspace `alpha` exists\nhint: choose another or delete `{id}`")
    );
    delete(&mut client);
}

#[test]
fn long_output_is_read_to_its_end_through_the_history() {
    let (mut client, _) = with_workspace(CORE);
    let command = "seq 1 100000; printf 'a\\033[31mb\\n' >&2";
    let result = client.done(
        "workspace_exec",
        json!({"workspace_id": "alpha", "command": command, "max_output_chars": 1000}),
    );
    let mut shown = text(&result).to_owned();
    assert!(shown.ends_with("\nstderr:\nab\n"), "{shown}");
    assert!(shown.contains("\n100000\n"), "{shown}");
    let mut expected = 1;
    loop {
        let stdout = shown.split("\nstdout:\n").nth(1).unwrap();
        for line in stdout
            .lines()
            .take_while(|line| line.bytes().all(|byte| byte.is_ascii_digit()))
        {
            // A part may begin within a number, or repeat one.
            if line == expected.to_string() {
                expected += 1;
            }
            if line.is_empty() {
                break;
            }
        }
        let Some(offset) = stdout.split("workspace_logs sequence=1 offset=").nth(1) else {
            break;
        };
        let offset: u64 = offset.split(' ').next().unwrap().parse().unwrap();
        let logs = client.done(
            "workspace_logs",
            json!({
                "workspace_id": "alpha", "sequence": 1, "stream": "stdout", "offset": offset,
                "max_output_chars": 200_000,
            }),
        );
        shown = text(&logs).to_owned();
    }
    assert_eq!(expected, 100_001, "nothing was left out");
    delete(&mut client);
}

#[test]
fn with_structure_commands_have_their_objects_too() {
    let arguments = ["--profile", "workspace-core", "--structured", "all"];
    let (mut client, id) = with_workspace(&arguments);
    let result = client.done(
        "workspace_exec",
        json!({"workspace_id": id, "command": "seq 1 100000", "max_output_chars": 1000}),
    );
    let exec = &result["structuredContent"];
    assert_eq!((&exec["sequence"], &exec["exit_code"]), (&json!(1), &json!(0)));
    assert!(
        exec["stdout"]
            .as_str()
            .unwrap()
            .contains("bytes omitted; workspace_logs sequence=1 offset=")
    );
    let logs = client.done(
        "workspace_logs",
        json!({"workspace_id": id, "max_output_chars": 1000}),
    );
    let entry = &logs["structuredContent"]["entries"][0];
    assert_eq!(entry["stdout_info"]["bytes"], 588_895);
    assert_eq!(entry["stdout_info"]["truncated"], true);
    assert!(entry["next_offset"].as_u64().unwrap() < 1000, "{entry}");
    assert!(entry["stdout"].as_str().unwrap().ends_with("\n100000\n"));
    assert_eq!(
        (&entry["stdout_file"], &entry["stderr_file"]),
        (&Value::Null, &Value::Null)
    );
    delete(&mut client);
}

#[test]
fn a_cancelled_command_ends_and_its_workspace_stays() {
    let (mut client, _) = with_workspace(CORE);
    let arguments =
        json!({"workspace_id": "alpha", "command": "echo begun; sleep 600", "timeout_seconds": 600});
    let id = client.request(
        "tools/call",
        json!({"name": "workspace_exec", "arguments": arguments}),
    );
    let is = |client: &mut Client, words: &str, within: Duration| {
        let deadline = Instant::now() + within;
        loop {
            let logs = client.done("workspace_logs", json!({"workspace_id": "alpha"}));
            if text(&logs).contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "{words}: {}", text(&logs));
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    is(&mut client, "\nstdout:\nbegun\n", Duration::from_secs(60));
    client.notify("notifications/cancelled", json!({"requestId": id}));
    is(&mut client, "#1 · cancelled, exit 130", Duration::from_secs(4));
    assert!(exec(&mut client, "echo on").contains("\nstdout:\non\n"));
    let answered = client.early().any(|message| message["id"] == id);
    assert!(!answered, "a cancelled request has no answer");
    delete(&mut client);
}

#[test]
fn a_cancelled_creation_leaves_nothing() {
    let mut client = Client::open(CORE);
    let id = client.request(
        "tools/call",
        json!({"name": "workspace_create", "arguments": {"name": "alpha"}}),
    );
    let listed_until = |client: &mut Client, count: u64| {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let listed = client.done("workspace_list", json!({}))["structuredContent"].clone();
            if listed["count"] == count {
                return listed;
            }
            assert!(Instant::now() < deadline, "{listed}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let listed = listed_until(&mut client, 1);
    let workspace = &listed["workspaces"][0];
    assert_eq!(workspace["state"], "creating");
    let processes = client.workspace_processes(workspace["workspace_id"].as_str().unwrap());
    client.notify("notifications/cancelled", json!({"requestId": id}));
    listed_until(&mut client, 0);
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_list_has_pages_in_the_order_of_use() {
    let mut client = Client::open(CORE);
    for name in ["one", "two", "three"] {
        client.done("workspace_create", json!({"name": name, "mem_mib": 256}));
    }
    // The one last used comes first.
    client.done(
        "workspace_exec",
        json!({"workspace_id": "one", "command": "true"}),
    );
    let mut names = Vec::new();
    let mut page = Value::Null;
    loop {
        let listed = client.done("workspace_list", json!({"limit": 1, "page": page}));
        let object = &listed["structuredContent"];
        assert_eq!(object["count"], 1);
        names.push(object["workspaces"][0]["name"].as_str().unwrap().to_owned());
        page = object["next_page"].clone();
        if page.is_null() {
            break;
        }
        let told = format!("more: workspace_list page={}", page.as_str().unwrap());
        assert!(text(&listed).contains(&told), "{}", text(&listed));
    }
    assert_eq!(names, ["one", "three", "two"]);
    for name in names {
        client.done("workspace_delete", json!({"workspace_id": name}));
    }
}

#[test]
fn a_command_that_outlives_its_call_runs_on_and_is_waited_for() {
    let (mut client, id) = with_workspace(CORE);
    let command = "echo one; until [ -e go ]; do sleep 0.1; done; echo two; exit 3";
    let arguments = json!({
        "workspace_id": "alpha", "command": command, "wait_seconds": 1, "timeout_seconds": 600,
    });
    let begun = client.done("workspace_exec", arguments);
    let told = text(&begun);
    assert!(told.starts_with("still running after "), "{told}");
    assert!(told.contains(&format!(" · workspace {id} #1 · ")), "{told}");
    assert!(told.contains("workspace_logs sequence=1 wait_seconds="), "{told}");

    // Whoever gives the waiting up ends nothing.
    let waiting = json!({"workspace_id": "alpha", "sequence": 1, "wait_seconds": 600});
    let given_up = client.request(
        "tools/call",
        json!({"name": "workspace_logs", "arguments": waiting}),
    );
    client.notify("notifications/cancelled", json!({"requestId": given_up}));
    let early = client.done("workspace_logs", json!({"workspace_id": "alpha", "sequence": 1}));
    assert!(text(&early).contains("#1 · running"), "{}", text(&early));

    exec(&mut client, "touch go");
    let ended = client.done("workspace_logs", waiting);
    let told = text(&ended);
    assert!(
        told.contains("\n#1 · exited, exit 3 in ") || told.contains("\n#1 · exit 3 in "),
        "{told}"
    );
    assert!(told.contains("\nstdout:\none\ntwo\n"), "{told}");
    // What has ended is not waited for.
    client.done(
        "workspace_logs",
        json!({"workspace_id": "alpha", "sequence": 1, "wait_seconds": 600}),
    );
    delete(&mut client);
}

#[test]
fn a_command_that_was_left_running_outlives_the_server_and_ends_in_time() {
    let (mut client, _) = with_workspace(CORE);
    let left = |client: &mut Client, command: &str, timeout_seconds: u64| {
        let arguments = json!({
            "workspace_id": "alpha", "command": command, "wait_seconds": 1, "timeout_seconds": timeout_seconds,
        });
        let begun = client.done("workspace_exec", arguments);
        assert!(
            text(&begun).starts_with("still running after "),
            "{}",
            text(&begun)
        );
    };
    left(&mut client, "sleep 10; echo kept >kept", 600);
    left(&mut client, "sleep 600", 10);
    let mut client = client.restart(CORE);
    for (sequence, ending) in [(1, "exit 0 in "), (2, "timed out, exit 124 in ")] {
        let waiting = json!({"workspace_id": "alpha", "sequence": sequence, "wait_seconds": 600});
        let ended = client.done("workspace_logs", waiting);
        assert!(text(&ended).contains(ending), "{}", text(&ended));
    }
    assert!(exec(&mut client, "cat kept").contains("\nstdout:\nkept\n"));
    delete(&mut client);
}

#[test]
fn every_tool_says_at_once_that_it_is_at_work() {
    let (mut client, _) = with_workspace(CORE);
    let params = json!({
        "name": "workspace_exec", "arguments": {"workspace_id": "alpha", "command": "sleep 6"},
        "_meta": {"progressToken": "exec"},
    });
    let id = client.request("tools/call", params);
    client.wait_for_progress("exec", "accepted");
    client.wait_for_progress("exec", "running the command");
    assert!(text(&client.answer(id)["result"]).starts_with("exit 0 in "));
    let params = json!({
        "name": "workspace_reset", "arguments": {"workspace_id": "alpha"}, "_meta": {"progressToken": "reset"},
    });
    let id = client.request("tools/call", params);
    client.wait_for_progress("reset", "accepted");
    assert_eq!(client.answer(id)["result"]["isError"], false);
    delete(&mut client);
}
