//! Disks that are full: the host's, below a workspace, and a workspace's own.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

mod small_volume;

use std::fs::{self, File};

use serde_json::{Value, json};

use self::small_volume::SmallVolume;
use crate::process;
use crate::support::{gone_within, names};
use crate::workspace::Workspaces;

/// What is asked of a guest that may write nothing more.
const WRITES: [&[&str]; 3] = [
    &["file", "write", "alpha", "after", "--text", "after\n"],
    &["sync", "push", "alpha", "source", "--dest", "pushed"],
    &[
        "patch",
        "apply",
        "alpha",
        "--patch",
        "--- /dev/null\n+++ b/patched\n@@ -0,0 +1 @@\n+patched\n",
    ],
];

/// A command that writes, and says what that came to.
const FILL: &str =
    "dd if=/dev/urandom of=big bs=1M count=20 conv=fsync 2>/dev/null && echo written || echo failed";

/// Fails unless each of the writes is refused in one of these ways.
fn assert_writes_refused(home: &Workspaces, codes: &[&str]) {
    for words in WRITES {
        let (status, object) = home.json(words);
        let code = object["error"]["code"].as_str().unwrap_or_default();
        assert!(codes.contains(&code), "{words:?}: {object:#}");
        let hint = object["error"]["hint"].as_str().unwrap_or_default();
        assert!(
            hint.contains("space") || hint.contains("--disk-gib"),
            "{words:?}: {object:#}"
        );
        assert_ne!(status, 0);
    }
}

/// Fails unless each of them is done, and everything is there.
fn assert_writes_done(home: &Workspaces) {
    for words in WRITES {
        home.ok(words);
    }
    assert_eq!(
        home.sh(
            "alpha",
            "cat before kept after patched pushed/small; stat -c %s pushed/large"
        ),
        "before\nkept\nafter\npatched\nsmall\n3000000\n"
    );
}

/// A workspace with something in it, and a source to push.
fn prepared(home: &Workspaces, options: &[&str]) -> String {
    let source = home.home().path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("small"), "small\n").unwrap();
    fs::write(source.join("large"), vec![b'x'; 3_000_000]).unwrap();
    let id = home.create(&[&["--name", "alpha"], options].concat());
    home.ok(&["file", "write", "alpha", "before", "--text", "before\n"]);
    home.sh(
        "alpha",
        "echo kept >kept; head -c 5000000 /dev/urandom >random; sync",
    );
    id
}

#[test]
fn a_full_disk_of_the_host_fails_writes_and_harms_nothing() {
    let Some(volume) = SmallVolume::here("full_disk::a_full_disk_of_the_host_fails_writes_and_harms_nothing")
    else {
        return;
    };
    let home = Workspaces::new();
    let id = prepared(&home, &[]);
    volume.fill();
    let full = |told: &Value| {
        told.as_str()
            .is_some_and(|told| told.contains("disk of the host is full"))
    };

    let (status, exec) = home.json(&["exec", "alpha", "--timeout-seconds", "600", "--", FILL]);
    assert_eq!((status, &exec["stdout"]), (0, &json!("failed\n")), "{exec:#}");
    assert!(full(&exec["warnings"][0]), "{exec:#}");
    let status = home.ok(&["status", "alpha"]);
    assert!(full(&status["last_error"]), "{status:#}");
    assert_eq!(status["state"], "started");
    let listed = home.ok(&["list"]);
    assert!(full(&listed["workspaces"][0]["last_error"]), "{listed:#}");
    assert_writes_refused(&home, &["host-io", "insufficient-resources"]);

    // What needs no space of the host works on.
    assert_eq!(
        home.ok(&["file", "read", "alpha", "before"])["content"],
        "before\n"
    );
    assert_eq!(home.ok(&["logs", "alpha"])["entries"][0]["outcome"], "exited");
    let before = names(home.home().path());
    let (_, told) = home.json(&["export", "alpha", "random", "--output", "random"]);
    let code = told["error"]["code"].as_str().unwrap_or_default();
    assert!(["host-io", "insufficient-resources"].contains(&code), "{told:#}");
    assert_eq!(names(home.home().path()), before, "nothing partial is left");
    for words in [&["reset", "alpha"][..], &["create", "--name", "beta"]] {
        let error = home.refused(words, "insufficient-resources");
        assert_eq!(error["details"]["resource"], "disk", "{error:#}");
    }
    assert_eq!(home.ok(&["list"])["count"], 1);
    assert_eq!(home.ok(&["status", "alpha"])["reset_count"], 0);

    volume.free();
    let stopped = home.ok(&["stop", "alpha"]);
    assert_eq!(
        (
            &stopped["state"],
            &stopped["stop_reason"],
            full(&stopped["last_error"])
        ),
        (&json!("stopped"), &json!("requested"), true),
        "{stopped:#}"
    );
    assert_eq!(home.ok(&["start", "alpha"])["last_error"], Value::Null);
    assert_writes_done(&home);
    let logs = home.ok(&["logs", &id]);
    for entry in logs["entries"].as_array().unwrap() {
        assert_eq!(entry["outcome"], "exited", "{logs:#}");
    }
    home.ok(&["export", "alpha", "random", "--output", "random"]);
}

#[test]
fn a_workspace_stops_on_a_host_without_space() {
    let Some(volume) = SmallVolume::here("full_disk::a_workspace_stops_on_a_host_without_space") else {
        return;
    };
    let home = Workspaces::new();
    let id = prepared(&home, &[]);
    volume.fill();
    let (_, vm) = home.try_processes(&id).unwrap();
    let (status, told) = home.json(&["stop", "alpha"]);
    // It may be impossible to write down, but not to do.
    assert!(status == 0 || told["error"]["code"] == "host-io", "{told:#}");
    assert!(process::all_gone(&vm, gone_within()), "{vm:?}");
    assert_eq!(home.ok(&["status", "alpha"])["state"], "stopped");
    assert_eq!(home.ok(&["list"])["workspaces"][0]["state"], "stopped");
    home.refused(&["start", "alpha"], "insufficient-resources");
    assert_eq!(home.ok(&["status", "alpha"])["state"], "stopped");
    volume.free();
    home.ok(&["start", "alpha"]);
    assert_writes_done(&home);
    volume.fill();
    assert_eq!(home.ok(&["delete", "alpha"])["deleted"], true);
    assert_eq!(home.ok(&["list"])["count"], 0);
}

/// Fails if anything of a workspace is left. The volume itself is in the home.
fn assert_none_left(home: &Workspaces) {
    let dir = home.dir("names.lock");
    let left: Vec<_> = fs::read_dir(dir.parent().unwrap())
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "names.lock")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(home.ok(&["list"])["count"], 0);
}

#[test]
fn a_workspace_for_which_there_is_no_space_leaves_nothing() {
    let Some(volume) = SmallVolume::here("full_disk::a_workspace_for_which_there_is_no_space_leaves_nothing")
    else {
        return;
    };
    let home = Workspaces::new();
    fs::create_dir(home.home().path().join("seed")).unwrap();
    let large = File::create(home.home().path().join("seed/large")).unwrap();
    large.set_len(3 << 30).unwrap();
    volume.fill();
    home.refused(&["create", "--name", "alpha"], "insufficient-resources");
    assert_none_left(&home);
    volume.free();
    home.refused(&["create", "--seed-path", "seed"], "insufficient-resources");
    assert_none_left(&home);
    home.create(&["--name", "alpha"]);
}

#[test]
fn a_full_disk_of_a_workspace_is_its_own_affair() {
    let home = Workspaces::new();
    prepared(&home, &["--disk-gib", "1"]);
    let fill = "fallocate -l 900M big; cat /dev/zero >rest; echo $?";
    let (status, exec) = home.json(&["exec", "alpha", "--timeout-seconds", "600", "--", fill]);
    assert_eq!((status, &exec["stdout"]), (0, &json!("1\n")), "{exec:#}");
    assert!(
        exec["stderr"]
            .as_str()
            .unwrap()
            .contains("No space left on device"),
        "{exec:#}"
    );
    assert_eq!(exec["warnings"], json!([]));
    assert_writes_refused(&home, &["insufficient-resources"]);
    let status = home.ok(&["status", "alpha"]);
    assert_eq!(
        (&status["state"], &status["last_error"]),
        (&json!("started"), &Value::Null)
    );
    assert_eq!(
        home.sh("alpha", "cat before kept; ls"),
        "before\nkept\nbefore\nbig\nkept\nrandom\nrest\n"
    );
    home.sh("alpha", "rm big rest");
    assert_writes_done(&home);
}
