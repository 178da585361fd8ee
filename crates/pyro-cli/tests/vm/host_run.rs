//! Runs where no VM can be had: on this host itself if that is allowed, and with nothing left of them.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::all_gone;
use crate::support::{Ended, Home, Running, gone_within, names, without_vmms};

/// An invocation on a host that is as this one is, but has no VMM.
fn without_vmm<S: AsRef<OsStr>>(home: &Home, words: impl IntoIterator<Item = S>) -> Command {
    without_vmms(&home.pyro(words))
}

fn run_command(home: &Home, options: &[&str], script: &str) -> Command {
    let words = [&["run", "--allow-host-compat"], options, &["--", script]].concat();
    without_vmm(home, words)
}

fn run(home: &Home, options: &[&str], script: &str) -> Ended {
    Ended::from(run_command(home, options, script).output().unwrap())
}

/// The exit status and the object of a run, which must be one on this host.
fn json(home: &Home, options: &[&str], script: &str) -> (i32, Value) {
    let ended = run(home, &[&["--json"], options].concat(), script);
    let result = ended.json();
    for (field, expected) in [
        ("isolation", "host"),
        ("vmm", "none"),
        ("execution_mode", "host_compat"),
    ] {
        assert_eq!(result[field], expected, "{result:#}");
    }
    let warnings = result["warnings"].as_array().unwrap();
    let warns = |warning: &&Value| warning.as_str().unwrap().starts_with("nothing isolates it");
    assert_eq!(warnings.iter().filter(warns).count(), 1, "{result:#}");
    (ended.status, result)
}

/// The error of an invocation, which must fail.
fn refused<S: AsRef<OsStr>>(home: &Home, words: impl IntoIterator<Item = S>) -> Value {
    let ended = Ended::from(without_vmm(home, words).output().unwrap());
    assert_ne!(ended.status, 0);
    ended.json()["error"].clone()
}

/// The directories of runs.
fn left(home: &Home) -> Vec<String> {
    names(&home.state().join("host"))
}

#[test]
fn a_command_runs_on_this_host_and_every_result_says_so() {
    let home = Home::with_own_cache();
    let (status, result) = json(&home, &[], "pwd; ls -A; echo err >&2; exit 7");
    assert_eq!((status, &result["exit_code"]), (7, &json!(7)));
    let tree = result["stdout"].as_str().unwrap().trim_end();
    assert!(Path::new(tree).starts_with(home.state()), "{tree}");
    assert_eq!(result["stderr"], "err\n");
    assert_eq!(result["metadata"]["confinement"], "none");
    let environment = ["environment", "environment_version", "environment_digest"];
    assert_eq!(
        environment.map(|field| &result[field]),
        [&json!("debian:12"), &json!(""), &json!("")]
    );
    // People are told, too.
    let ended = run(&home, &[], "true");
    assert!(
        ended
            .stderr
            .contains("warning: nothing isolates it: no VM can run here, so it ran on this host as `"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains(", host/none\n"), "{}", ended.stderr);
    assert!(left(&home).is_empty());
    // No image was fetched.
    assert!(!home.cache().join("installs").exists());
}

#[test]
fn an_environment_that_cannot_be_had_is_refused_as_in_a_vm() {
    let home = Home::with_own_cache();
    let create = [
        "workspace",
        "create",
        "--allow-host-compat",
        "--json",
        "debain:12",
    ];
    let run = ["run", "--allow-host-compat", "--json", "debain:12", "--", "true"];
    for error in [refused(&home, create), refused(&home, run)] {
        assert_eq!(error["code"], "environment-not-found", "{error:#}");
        assert!(error["hint"].as_str().unwrap().contains("debian:12"), "{error:#}");
    }
    assert!(left(&home).is_empty());
}

#[test]
fn a_command_has_nothing_of_the_callers_environment_and_its_standard_input() {
    let home = Home::with_own_cache();
    let mut command = run_command(&home, &["-i", "--env", "GIVEN=1"], "cat; env");
    command.env("SECRET", "1").stdin(std::process::Stdio::piped());
    let mut running = Running::of(&mut command);
    running.stdin().write_all(b"input\n").unwrap();
    let ended = running.finish();
    let lines: Vec<&str> = ended.text().lines().collect();
    assert_eq!((ended.status, lines[0]), (0, "input"), "{}", ended.stderr);
    assert!(lines.contains(&"GIVEN=1"), "{lines:?}");
    for foreign in ["SECRET", "PYRO_AGENT_NONCE", "PYRO_HOME", "XDG"] {
        assert!(!lines.iter().any(|line| line.starts_with(foreign)), "{lines:?}");
    }
}

#[test]
fn nothing_runs_on_this_host_unless_that_is_allowed() {
    let home = Home::with_own_cache();
    let error = refused(&home, ["--json", "run", "--", "true"]);
    assert_eq!(error["code"], "runtime-damaged");
    let hint = error["hint"].as_str().unwrap();
    assert!(
        hint.find("apt-get install qemu-system-x86") < hint.find("--allow-host-compat"),
        "{hint}"
    );
    assert!(hint.contains("--allow-host-compat"), "{hint}");
    for tier in ["hardware", "emulated"] {
        let words = [
            "--json",
            "run",
            "--allow-host-compat",
            "--isolation",
            tier,
            "--",
            "true",
        ];
        let error = refused(&home, words);
        assert!(!error["hint"].as_str().unwrap().contains("--allow-host-compat"));
    }
    let error = refused(
        &home,
        ["--json", "run", "--allow-host-compat", "Bad Name", "--", "true"],
    );
    assert!(
        error["message"].as_str().unwrap().contains("`Bad Name`"),
        "{error:#}"
    );
    let other = if rustix::process::geteuid().is_root() {
        "1"
    } else {
        "nobody"
    };
    let words = [
        "--json",
        "run",
        "--allow-host-compat",
        "--user",
        other,
        "--",
        "true",
    ];
    assert_eq!(refused(&home, words)["code"], "invalid-argument");
    assert!(left(&home).is_empty());
}

#[test]
fn a_tree_is_seeded_compared_exported_and_gone() {
    let home = Home::with_own_cache();
    let seed = home.path().join("seed");
    fs::create_dir_all(seed.join("below")).unwrap();
    fs::write(seed.join("file"), "one\n").unwrap();
    fs::write(seed.join("below/gone"), "x\n").unwrap();
    let options = ["--seed-path", "seed", "--diff", "--export", "file=out"];
    let script = "echo two >>file; rm below/gone; mkdir -p closed/deep; echo >closed/deep/f; chmod 500 closed closed/deep";
    let (status, result) = json(&home, &options, script);
    assert_eq!(status, 0);
    assert_eq!(fs::read_to_string(home.path().join("out")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(seed.join("file")).unwrap(), "one\n");
    let entries = result["diff"]["entries"].as_array().unwrap();
    let changed: Vec<&str> = entries
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(changed, ["below/gone", "closed/deep/f", "file"]);
    assert!(left(&home).is_empty());
}

#[test]
fn what_a_command_started_ends_with_it() {
    let home = Home::with_own_cache();
    let script = "setsid sleep 1000 & echo ready; exec sleep 1000";
    for signal in [Signal::INT, Signal::TERM] {
        let mut running = Running::of(&mut run_command(&home, &["--timeout-seconds", "600"], script));
        running.wait_for("ready");
        let processes = running.descendants();
        assert!(processes.len() >= 3, "{processes:?}");
        running.signal(signal);
        running.finish();
        assert!(all_gone(&processes, Duration::ZERO), "{processes:?} outlive pyro");
        assert!(left(&home).is_empty());
    }
    let ended = run(&home, &["--timeout-seconds", "1"], script);
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert!(left(&home).is_empty());
}

#[test]
fn whoever_comes_next_removes_what_a_killed_owner_left() {
    let home = Home::with_own_cache();
    let script =
        "mkdir closed; touch closed/file; chmod 500 closed; setsid sleep 1000 & echo ready; sleep 1000";
    let prune = |options: &[&str]| {
        let words = [&["--json", "prune"], options].concat();
        Ended::from(home.pyro(words).output().unwrap()).json()
    };
    for is_pruned in [true, false] {
        let mut running = Running::of(&mut run_command(&home, &["--timeout-seconds", "600"], script));
        running.wait_for("ready");
        let processes = running.descendants();
        // What is in use stays.
        assert_eq!(prune(&["--yes"])["removed"], json!([]));
        running.kill();
        assert!(all_gone(&processes, gone_within()), "{processes:?} outlive pyro");
        let dirs = left(&home);
        assert_eq!(dirs.len(), 1);
        let closed = home.state().join("host").join(&dirs[0]).join("tree/closed");
        assert_eq!(fs::metadata(closed).unwrap().permissions().mode() & 0o777, 0o500);
        if is_pruned {
            let removed = prune(&["--yes"])["removed"].clone();
            assert_eq!(
                (&removed[0]["kind"], &removed[0]["name"]),
                (&json!("vm"), &json!(dirs[0]))
            );
        } else {
            json(&home, &[], "true");
        }
        assert!(left(&home).is_empty());
    }
}

#[test]
fn where_a_vm_can_be_had_the_leave_to_do_without_changes_nothing() {
    let home = Home::new();
    let (status, result) = home.json(&["--allow-host-compat", "--isolation", "auto"], &["true"]);
    assert_eq!(status, 0);
    assert!(
        ["hardware", "emulated"].contains(&result["isolation"].as_str().unwrap()),
        "{result:#}"
    );
    assert_ne!(result["vmm"], "none");
    assert!(
        !result["warnings"].to_string().contains("nothing isolates it"),
        "{result:#}"
    );
    assert!(left(&home).is_empty());
}
