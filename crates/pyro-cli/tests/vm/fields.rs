//! The fields of the contract, in the objects that a workspace is told by.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::Ended;
use crate::tier::Tier;
use crate::workspace::Workspaces;

const WORKSPACE: &str = "workspace_id name labels environment environment_version environment_digest vcpu_count mem_mib \
    disk_gib disk_used_bytes ttl_seconds created_at last_activity_at expires_at state stop_reason last_error \
    network_policy network_enabled allowed_domains allowed_cidrs allow_host_compat guest_ip tap_name workspace_path \
    workspace_seed secrets command_count total_command_count last_command reset_count last_reset_at service_count \
    running_service_count metadata isolation vmm execution_mode warnings auto_started";

const SUMMARY: &str = "workspace_id name labels environment state created_at last_activity_at expires_at command_count \
    service_count running_service_count isolation vmm execution_mode";

const EXEC: &str = "workspace_id environment environment_version environment_digest command stdout stderr stdout_info \
    stderr_info exit_code outcome signal oom_killed timed_out cancelled duration_ms diff sequence generation cwd guest_pid \
    left_running isolation vmm execution_mode warnings metadata auto_started";

const RESET: &str = "snapshot_name kind destination entry_count bytes_written restored";

/// Of every result about a workspace, and of those that need its guest.
const TIER: &str = "isolation vmm execution_mode warnings";
const GUEST: &str = "auto_started isolation vmm execution_mode warnings";

const ENTRY: &str = "sequence generation command cwd exit_code outcome duration_ms recorded_at stdout stderr stdout_info \
    stderr_info offset next_offset stdout_file stderr_file";

const DIFF: &str = "workspace_id from_snapshot changed truncated redacted summary ignored entries patch";

const DIFF_ENTRY: &str = "path old_path status artifact_type old_mode new_mode insertions deletions patch_offset \
    patch_bytes patch_omitted";

const PATCH: &str = "--- a/note\n+++ b/note\n@@ -1 +1 @@\n-four\n\\ No newline at end of file\n+five\n";

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
    let listed = home.ok(&["list"]);
    assert_has(&listed, "count next_page workspaces warnings");
    assert_has(&listed["workspaces"][0], SUMMARY);
    assert_eq!(listed["workspaces"][0]["vmm"], status["vmm"]);
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
    let deleted = home.ok(&["delete", &id]);
    assert_has(&deleted, "workspace_id deleted reason");
    assert_has(&deleted, TIER);
    assert_eq!(deleted["reason"], "explicit_delete");
    std::fs::remove_dir_all(seed).unwrap();
}

#[test]
fn what_is_done_to_a_workspace_is_told_by_all_fields() {
    let home = Workspaces::new();
    let seed = home.home().path().join("seed");
    std::fs::create_dir(&seed).unwrap();
    std::fs::write(seed.join("note"), "four").unwrap();
    let id = home.create(&["--seed-path", "seed"]);
    let cases: [(&[&str], &str); 7] = [
        (
            &["file", "list", &id],
            "workspace_id path recursive count next_page entries",
        ),
        (
            &["file", "read", &id, "note"],
            "workspace_id path size_bytes mode max_bytes offset next_offset start_line line_count content encoding \
             truncated redacted",
        ),
        (
            &["file", "write", &id, "new", "--text", "x"],
            "workspace_id path size_bytes bytes_written mode created",
        ),
        (
            &["patch", "apply", &id, "--patch", PATCH],
            "workspace_id changed dry_run summary entries",
        ),
        (&["diff", &id], DIFF),
        (
            &["export", &id, "note", "--output", "out"],
            "workspace_id workspace_path output_path artifact_type entry_count bytes_written deleted_paths skipped",
        ),
        (
            &["sync", "push", &id, "seed"],
            "workspace_id dry_run workspace_sync",
        ),
    ];
    for (words, fields) in cases {
        let object = home.ok(words);
        assert_has(&object, fields);
        assert_has(&object, GUEST);
        assert_eq!(object["auto_started"], false, "{words:?}");
        let (inner, fields) = match words[0] {
            "diff" => (&object["entries"][0], DIFF_ENTRY),
            "sync" => (
                &object["workspace_sync"],
                "mode source_path destination entry_count bytes_written deleted_count ignored_count skipped",
            ),
            "patch" => (&object["entries"][0], "path status hunks"),
            "file" if words[1] == "list" => (
                &object["entries"][0],
                "path artifact_type size_bytes mode modified_at link_target",
            ),
            _ => continue,
        };
        assert_has(inner, fields);
    }
    home.sh(&id, "echo printed");
    let logs = home.ok(&["logs", &id]);
    assert_has(&logs, "workspace_id count entries");
    assert_has(&logs, TIER);
    let entry = &logs["entries"][0];
    assert_has(entry, ENTRY);
    let file = entry["stdout_file"].as_str().unwrap();
    assert_eq!(std::fs::read(file).unwrap(), b"printed\n");
    Tier::wanted().assert_is_of(&logs);
    home.ok(&["stop", &id]);
    let stopped = home.ok(&["logs", &id]);
    assert_eq!(
        (&stopped["vmm"], &stopped["execution_mode"]),
        (&Value::Null, &json!("pending"))
    );
}

#[test]
fn people_are_told_how_long_ago_something_was() {
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha"]);
    home.sh(&id, "touch -d '3 days ago' old; touch -d '+1 hour' new");
    let shown = [
        (&["list"][..], vec![" ago\n"]),
        (&["status", "alpha"], vec![" ago\n", " in "]),
        (&["logs", "alpha"], vec![" ago $ touch"]),
        (&["file", "list", "alpha"], vec!["  3 days ago  ", "  in "]),
    ];
    let year = &home.ok(&["status", &id])["created_at"].as_str().unwrap()[..5].to_owned();
    for (words, parts) in shown {
        let ended = home.pyro(words);
        let text = ended.text();
        for part in parts {
            assert!(text.contains(part), "{words:?}: `{part}` in {text}");
        }
        assert!(!text.contains(year), "{words:?}: {text}");
    }
}

#[test]
fn what_a_workspace_is_made_of_is_its_owners_alone() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo printed");
    assert_private(&home.home().state());
}

/// Fails if a directory, or anything in it, can be read or written by others.
fn assert_private(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} is {mode:o}", path.display());
        if metadata.is_dir() {
            assert_private(&path);
        }
    }
}
