//! One-shot VMs that are made ahead of their command, and workspaces that are stopped: the full profile on real VMs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, required, text};
use crate::process::survivors;

fn created(client: &mut Client) -> String {
    let created = client.done("vm_create", json!({"mem_mib": 256}));
    assert_eq!(created["structuredContent"]["state"], "created");
    created["structuredContent"]["vm_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_vm_is_made_started_used_once_and_gone() {
    let mut client = Client::open(&[]);
    let id = created(&mut client);
    let vm = json!({"vm_id": id});
    let status = client.done("vm_status", vm.clone());
    assert!(
        text(&status).starts_with(&format!("status · VM {id} · created\nenvironment: debian:12\n")),
        "{}",
        text(&status)
    );
    let early = client.refused("vm_exec", json!({"vm_id": id, "command": "true"}));
    assert!(early.starts_with("error invalid-state: "), "{early}");
    assert!(
        early.contains(&format!("\nhint: start it first: `vm_start vm_id={id}`")),
        "{early}"
    );

    // Another server finds it.
    let mut client = client.restart(&[]);
    let started = client.done("vm_start", vm.clone());
    let object = &started["structuredContent"];
    assert_eq!(
        (&object["state"], &object["mem_mib"]),
        (&json!("started"), &json!(256))
    );
    let tier = format!(
        "{}/{}",
        object["isolation"].as_str().unwrap(),
        object["vmm"].as_str().unwrap()
    );
    let first = text(&started).lines().next().unwrap().to_owned();
    assert_eq!(first, format!("started · VM {id} · started · {tier}"));
    let again = client.done("vm_start", vm.clone());
    assert_eq!(again["structuredContent"]["state"], "started");
    let network = client.done("vm_network_info", vm.clone());
    assert!(
        text(&network).starts_with(&format!("network off · VM {id} · reaches nothing outside: ")),
        "{}",
        text(&network)
    );

    let processes = client.kept_processes("vms", &id);
    assert!(processes.len() > 1, "supervisor and VMM run: {processes:?}");
    let command = "echo out; echo err >&2; exit 3";
    let result = client.done("vm_exec", json!({"vm_id": id, "command": command}));
    assert_eq!(result["structuredContent"], Value::Null);
    let said = text(&result);
    assert!(said.starts_with("exit 3 in "), "{said}");
    let rest = format!(" · debian:12 · {tier} · VM {id} deleted\n\nstdout:\nout\n\nstderr:\nerr\n");
    assert!(said.ends_with(&rest), "{said}");
    let gone = client.refused("vm_status", vm);
    assert!(
        gone.starts_with(&format!("error vm-not-found: no VM `{id}`\nhint: ")),
        "{gone}"
    );
    let left = survivors(&processes, Duration::from_secs(5));
    assert!(left.is_empty(), "they are gone: {left:?}");
}

#[test]
fn a_vm_is_stopped_started_on_its_disk_and_deleted() {
    let mut client = Client::open(&[]);
    let id = created(&mut client);
    let vm = json!({"vm_id": id});
    let idle = client.done("vm_stop", vm.clone());
    assert!(
        text(&idle).starts_with(&format!("not started yet · VM {id} · created\n")),
        "{}",
        text(&idle)
    );
    client.done("vm_start", vm.clone());
    let stopped = client.done("vm_stop", vm.clone());
    let object = &stopped["structuredContent"];
    assert_eq!(
        (&object["state"], &object["stop_reason"], &object["isolation"]),
        (&json!("stopped"), &json!("requested"), &Value::Null)
    );
    assert!(
        text(&stopped).contains("\nstopped: requested\n"),
        "{}",
        text(&stopped)
    );
    let refused = client.refused("vm_exec", json!({"vm_id": id, "command": "true"}));
    assert!(refused.contains(&format!("`vm_start vm_id={id}`")), "{refused}");

    let reaped = client.done("vm_reap_expired", json!({}));
    assert_eq!(reaped["structuredContent"]["count"], 0, "its time is not over");
    let listed = client.done("vm_list_environments", json!({}));
    let environments = listed["structuredContent"]["environments"].as_array().unwrap();
    let debian = environments
        .iter()
        .find(|environment| environment["name"] == "debian:12")
        .unwrap();
    assert_eq!(debian["installed"], true);
    let cache = required("PYRO_TEST_CACHE");
    assert!(!listed.to_string().contains(cache.to_str().unwrap()), "{listed}");

    let deleted = client.done("vm_delete", vm.clone());
    assert_eq!(
        deleted["structuredContent"],
        json!({"vm_id": id, "deleted": true, "reason": "explicit_delete"})
    );
    assert!(
        client
            .refused("vm_delete", vm)
            .starts_with("error vm-not-found: ")
    );
}

#[test]
fn a_cancelled_command_ends_with_its_vm() {
    let mut client = Client::open(&[]);
    let id = created(&mut client);
    client.done("vm_start", json!({"vm_id": id}));
    let processes = client.kept_processes("vms", &id);
    let call = client.request(
        "tools/call",
        json!({
            "name": "vm_exec", "_meta": {"progressToken": "busy"},
            "arguments": {"vm_id": id, "command": "echo begun; sleep 600", "timeout_seconds": 600},
        }),
    );
    client.wait_for_progress("busy", "begun");
    client.notify("notifications/cancelled", json!({"requestId": call}));
    let left = survivors(&processes, Duration::from_millis(3500));
    assert!(left.is_empty(), "{left:?}");
    let gone = client.refused("vm_status", json!({"vm_id": id}));
    assert!(gone.starts_with("error vm-not-found: "), "{gone}");
}

#[test]
fn a_cancelled_start_leaves_the_vm_as_it_was() {
    let mut client = Client::open(&[]);
    let id = created(&mut client);
    let arguments = json!({"vm_id": id});
    let call = client.request("tools/call", json!({"name": "vm_start", "arguments": arguments}));
    let state = |client: &mut Client| {
        let status = client.done("vm_status", json!({"vm_id": id}));
        status["structuredContent"]["state"].as_str().unwrap().to_owned()
    };
    while state(&mut client) == "created" {
        std::thread::sleep(Duration::from_millis(5));
    }
    client.notify("notifications/cancelled", json!({"requestId": call}));
    let begin = Instant::now();
    while state(&mut client) == "starting" {
        assert!(begin.elapsed() < Duration::from_secs(60), "it is given up");
        std::thread::sleep(Duration::from_millis(20));
    }
    // On a fast host it may have come to its end before.
    assert!(["created", "started"].contains(&state(&mut client).as_str()));
    client.done("vm_start", json!({"vm_id": id}));
    client.done("vm_delete", json!({"vm_id": id}));
}

#[test]
fn a_stopped_workspace_waits_for_its_start() {
    let mut client = Client::open(&[]);
    let workspace = json!({"workspace_id": "alpha"});
    client.done("workspace_create", json!({"name": "alpha", "mem_mib": 256}));
    let exec = |command: &str| json!({"workspace_id": "alpha", "command": command});
    client.done("workspace_exec", exec("echo kept > f"));
    let stopped = client.done("workspace_stop", workspace.clone());
    assert_eq!(stopped["structuredContent"]["state"], "stopped");
    assert!(
        text(&stopped).starts_with("stopped · workspace "),
        "{}",
        text(&stopped)
    );
    let refused = client.refused("workspace_exec", exec("true"));
    assert!(
        refused.ends_with(
            "\nhint: somebody stopped it; to go on, start it with `workspace_start workspace_id=alpha`"
        ),
        "{refused}"
    );
    let started = client.done("workspace_start", workspace.clone());
    assert_eq!(started["structuredContent"]["state"], "started");
    let kept = client.done("workspace_exec", exec("cat f"));
    assert!(text(&kept).contains("\nstdout:\nkept\n"), "{}", text(&kept));
    client.done("workspace_delete", workspace);
}
