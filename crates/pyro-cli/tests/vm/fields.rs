//! The fields of the contract, in the objects that a workspace is told by.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use serde_json::{Value, json};

use crate::support::Ended;
use crate::workspace::Workspaces;

const WORKSPACE: &str = "workspace_id name labels environment environment_version environment_digest vcpu_count mem_mib \
    disk_gib disk_used_bytes ttl_seconds created_at last_activity_at expires_at state stop_reason last_error \
    network_policy network_enabled allowed_domains allowed_cidrs allow_host_compat guest_ip tap_name workspace_path \
    workspace_seed secrets command_count total_command_count last_command reset_count last_reset_at service_count \
    running_service_count metadata isolation vmm execution_mode warnings auto_started";

const SUMMARY: &str = "workspace_id name labels environment state created_at last_activity_at expires_at command_count \
    service_count running_service_count";

const EXEC: &str = "workspace_id environment environment_version environment_digest command stdout stderr stdout_info \
    stderr_info exit_code outcome signal oom_killed timed_out cancelled duration_ms diff sequence generation cwd guest_pid \
    left_running isolation vmm execution_mode warnings metadata auto_started";

const RESET: &str = "snapshot_name kind destination entry_count bytes_written restored";

fn assert_has(object: &Value, fields: &str) {
    let object = object.as_object().unwrap();
    for field in fields.split_whitespace() {
        assert!(object.contains_key(field), "`{field}` is missing: {object:?}");
    }
}

#[test]
fn a_workspace_is_told_by_all_fields_that_it_has_a_value_for_or_not() {
    let home = Workspaces::new();
    let seed = home.home().path().join("seed");
    std::fs::create_dir(&seed).unwrap();
    std::fs::write(seed.join("note"), "four").unwrap();
    let id = home.create(&["--seed-path", seed.to_str().unwrap()]);
    let status = home.ok(&["status", &id]);
    assert_has(&status, WORKSPACE);
    let no = (&json!(false), &json!([]), &Value::Null, &json!(0));
    assert_eq!(
        (
            &status["network_enabled"],
            &status["secrets"],
            &status["guest_ip"],
            &status["service_count"]
        ),
        no
    );
    assert_has(&home.ok(&["list"])["workspaces"][0], SUMMARY);
    let exec = home.ok(&["exec", &id, "--", "echo $$; exec cat /proc/1/comm /dev/null"]);
    assert_has(&exec, EXEC);
    let printed: u32 = exec["stdout"]
        .as_str()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(exec["guest_pid"], printed);
    let not_started = Ended::from(
        home.home()
            .pyro(["--json", "workspace", "exec", &id, "--", "/absent", "x"])
            .output()
            .unwrap(),
    );
    assert_eq!(not_started.json()["guest_pid"], Value::Null);
    let reset = &home.ok(&["reset", &id])["workspace_reset"];
    assert_has(reset, RESET);
    assert_eq!(
        (
            &reset["destination"],
            &reset["entry_count"],
            &reset["bytes_written"]
        ),
        (
            &json!("/workspace"),
            &status["workspace_seed"]["entry_count"],
            &json!(4)
        )
    );
    home.ok(&["delete", &id]);
    std::fs::remove_dir_all(seed).unwrap();
}
