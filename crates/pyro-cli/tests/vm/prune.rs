//! What `pyro prune` takes of workspaces.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;

use serde_json::{Value, json};

use crate::support::Ended;
use crate::workspace::Workspaces;

fn prune(home: &Workspaces, words: &[&str]) -> Ended {
    let words = [&["--json", "prune"], words].concat();
    Ended::from(home.home().pyro(words).output().unwrap())
}

/// The names of the workspaces that a prune takes.
fn taken(home: &Workspaces, words: &[&str]) -> Vec<String> {
    let ended = prune(home, words);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let report = ended.json();
    let removed = report["removed"].as_array().unwrap().iter();
    let workspaces = removed.filter(|item| item["kind"] == "workspace");
    workspaces
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Records that a workspace stopped at another time, for another reason.
fn record_stop(home: &Workspaces, id: &str, at: &str, reason: &str) {
    let path = home.dir(id).join("record.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(record["stopped_at"].is_string(), "{record:#}");
    record["stopped_at"] = at.into();
    record["stop_reason"] = reason.into();
    fs::write(path, record.to_string()).unwrap();
}

#[test]
fn only_workspaces_that_nobody_wants_any_more_are_pruned() {
    let home = Workspaces::new();
    let expired = home.create(&["--name", "expired"]);
    let recent = home.create(&["--name", "recent"]);
    let requested = home.create(&["--name", "requested"]);
    home.create(&["--name", "running"]);
    for id in [&expired, &recent, &requested] {
        home.ok(&["stop", id]);
    }
    let long_ago = "2020-01-01T00:00:00Z";
    record_stop(&home, &expired, long_ago, "ttl_expired");
    record_stop(&home, &requested, long_ago, "requested");
    let of_recent = fs::read_to_string(home.dir(&recent).join("record.json")).unwrap();
    let of_recent: Value = serde_json::from_str(&of_recent).unwrap();
    record_stop(
        &home,
        &recent,
        of_recent["stopped_at"].as_str().unwrap(),
        "ttl_expired",
    );

    assert_eq!(taken(&home, &["--dry-run"]), ["expired"]);
    let refused = prune(&home, &[]);
    assert_ne!(refused.status, 0, "nobody was asked");
    assert_eq!(home.ok(&["list"])["count"], 4);

    assert_eq!(taken(&home, &["--yes"]), ["expired"]);
    home.refused(&["status", "expired"], "workspace-not-found");
    assert_eq!(taken(&home, &["--yes"]), [""; 0]);
    assert_eq!(taken(&home, &["--yes", "--stopped"]), ["requested"]);
    assert_eq!(
        taken(&home, &["--yes", "--stopped", "--older-than", "0s"]),
        ["recent"]
    );
    let left = home.ok(&["list"]);
    assert_eq!(
        (&left["count"], &left["workspaces"][0]["name"]),
        (&json!(1), &json!("running"))
    );
    assert_eq!(home.sh("running", "echo well"), "well\n");
}
