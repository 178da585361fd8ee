//! Workspaces: their life, what runs in them, and what a crash leaves.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::process::{self, Watched};
use crate::support::{Ended, Home, Running, gone_within, names};
use crate::tier::Tier;

/// A home whose workspaces go with it.
#[derive(Debug)]
pub(crate) struct Workspaces(Home);

impl Workspaces {
    pub(crate) fn new() -> Self {
        Self(Home::new())
    }

    /// In a home with a cache of its own, for an environment of its own.
    pub(crate) fn of(home: Home) -> Self {
        Self(home)
    }

    /// Where it is.
    pub(crate) fn home(&self) -> &Home {
        &self.0
    }

    pub(crate) fn pyro(&self, words: &[&str]) -> Ended {
        let all = [&["workspace"], words].concat();
        Ended::from(self.0.pyro(all).output().unwrap())
    }

    /// The object that a command prints.
    pub(crate) fn json(&self, words: &[&str]) -> (i32, Value) {
        let ended = self.pyro(&[&["--json"], words].concat());
        (ended.status, ended.json())
    }

    pub(crate) fn ok(&self, words: &[&str]) -> Value {
        let (status, object) = self.json(words);
        assert_eq!(status, 0, "{words:?}: {object:#}");
        object
    }

    /// The error with which a command is refused.
    pub(crate) fn refused(&self, words: &[&str], code: &str) -> Value {
        let (status, object) = self.json(words);
        let error = &object["error"];
        assert_eq!(error["code"], code, "{words:?}: {object:#}");
        assert!(error["hint"].is_string(), "{object:#}");
        assert_ne!(status, 0);
        error.clone()
    }

    pub(crate) fn create(&self, options: &[&str]) -> String {
        let created = self.ok(&[&["create"], options].concat());
        Tier::wanted().assert_is_of(&created);
        assert_eq!(created["state"], "started", "{created:#}");
        created["workspace_id"].as_str().unwrap().to_owned()
    }

    /// What a shell string prints.
    pub(crate) fn sh(&self, id: &str, string: &str) -> String {
        let result = self.ok(&["exec", id, "--timeout-seconds", "600", "--", string]);
        result["stdout"].as_str().unwrap().to_owned()
    }

    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let all = [&["workspace"], words].concat();
        Running::of(self.0.pyro(all).stdin(Stdio::piped()))
    }

    fn state(&self, id: &str) -> String {
        self.ok(&["status", id])["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn dir(&self, id: &str) -> PathBuf {
        self.0.state().join("workspaces").join(id)
    }

    /// The process that supervises a workspace, and its VMM.
    fn processes(&self, id: &str) -> (u32, Vec<Watched>) {
        self.try_processes(id).unwrap()
    }

    /// The same, if it has one that lives.
    pub(crate) fn try_processes(&self, id: &str) -> Option<(u32, Vec<Watched>)> {
        let live = fs::read(self.dir(id).join("live.json")).ok()?;
        let live: Value = serde_json::from_slice(&live).ok()?;
        let pid = u32::try_from(live["supervisor"]["pid"].as_u64()?).ok()?;
        let program = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        program
            .ends_with(b"\0supervise\0")
            .then(|| (pid, process::descendants(pid)))
    }

    fn kill_supervisor(&self, id: &str) {
        let (pid, vm) = self.processes(id);
        assert!(!vm.is_empty());
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        assert!(process::all_gone(&vm, gone_within()), "{vm:?}");
    }
}

impl Drop for Workspaces {
    fn drop(&mut self) {
        for id in names(&self.0.state().join("workspaces")) {
            if id.len() == 12 {
                self.pyro(&["delete", &id]);
            }
        }
    }
}

#[test]
fn a_workspace_lives_until_it_is_deleted() {
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha", "--label", "branch=main"]);
    assert_eq!(
        home.sh("alpha", "pwd; hostname; echo one >kept"),
        format!("/workspace\npyro-{id}\n")
    );
    assert_eq!(home.sh(&id, "echo two >/root/kept; cat kept"), "one\n");

    let stopped = home.ok(&["stop", "alpha"]);
    assert_eq!(
        (&stopped["state"], &stopped["stop_reason"]),
        (&json!("stopped"), &json!("requested"))
    );
    assert_eq!(stopped["expires_at"], Value::Null);
    let error = home.refused(&["exec", "alpha", "--", "true"], "invalid-state");
    assert_eq!(error["hint"], "pyro workspace start alpha");
    assert_eq!(home.ok(&["stop", "alpha"])["state"], "stopped");

    assert_eq!(home.ok(&["start", "alpha"])["state"], "started");
    assert_eq!(home.ok(&["start", "alpha"])["state"], "started");
    assert_eq!(home.sh("alpha", "cat kept /root/kept"), "one\ntwo\n");

    let reset = home.ok(&["reset", "alpha"]);
    assert_eq!(
        (
            &reset["reset_count"],
            &reset["command_count"],
            &reset["total_command_count"]
        ),
        (&json!(1), &json!(0), &json!(3))
    );
    assert_eq!(reset["workspace_reset"]["snapshot_name"], "baseline");
    assert_eq!(
        home.sh("alpha", "ls -A; ls /root/kept 2>/dev/null; hostname"),
        format!("pyro-{id}\n")
    );
    let logs = home.ok(&["logs", "alpha"]);
    let generations: Vec<&Value> = logs["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["generation"])
        .collect();
    assert_eq!(generations, [0, 0, 0, 1]);
    assert_eq!(logs["entries"][2]["stdout"], "one\ntwo\n");

    let listed = home.ok(&["list", "--label", "branch=main", "--state", "started"]);
    assert_eq!(
        (&listed["count"], &listed["workspaces"][0]["name"]),
        (&json!(1), &json!("alpha"))
    );
    let (pid, vm) = home.processes(&id);
    assert_eq!(home.ok(&["delete", "alpha"])["deleted"], true);
    assert!(process::all_gone(&vm, gone_within()));
    assert!(
        !PathBuf::from(format!("/proc/{pid}/exe")).exists(),
        "the supervisor is left"
    );
    assert_eq!(home.ok(&["list"])["count"], 0);
    home.refused(&["status", "alpha"], "workspace-not-found");
    home.0.assert_nothing_reserved();
}

#[test]
fn commands_run_beside_each_other_and_each_has_its_number() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let began = Instant::now();
    let running: Vec<Running> = (0..6)
        .map(|number| home.start(&["--json", "exec", &id, "--", &format!("echo {number}; sleep 3")]))
        .collect();
    // None of them is waited for.
    assert_eq!(home.ok(&["list"])["count"], 1);
    let mut sequences: Vec<u64> = running
        .into_iter()
        .enumerate()
        .map(|(number, running)| {
            let result = running.finish().json();
            assert_eq!(result["stdout"], format!("{number}\n"));
            result["sequence"].as_u64().unwrap()
        })
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    assert!(began.elapsed() >= Duration::from_secs(3));
    let logs = home.ok(&["logs", &id]);
    assert_eq!(logs["count"], 6);
    assert!(
        logs["entries"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["exit_code"] == 0)
    );
}

#[test]
fn streams_input_status_and_time_limit_are_those_of_the_command() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let mut running = home.start(&["exec", &id, "-i", "--", "cat; echo end >&2; exit 7"]);
    std::io::Write::write_all(&mut running.stdin(), b"through the guest").unwrap();
    let ended = running.finish();
    assert_eq!((ended.status, ended.text()), (7, "through the guest"));
    assert!(ended.stderr.starts_with("end\nworkspace "), "{}", ended.stderr);
    let (status, result) = home.json(&[
        "exec",
        &id,
        "--timeout-seconds",
        "10",
        "--",
        "echo begun; sleep 100",
    ]);
    assert_eq!(
        (status, &result["outcome"], &result["stdout"]),
        (124, &json!("timed_out"), &json!("begun\n"))
    );
    let (status, result) = home.json(&["exec", &id, "--", "/missing", "word"]);
    assert_eq!((status, &result["outcome"]), (127, &json!("not_started")));
    home.refused(
        &["exec", &id, "--cwd", "/missing", "--", "true"],
        "invalid-argument",
    );
    // Refused or not, each is in the history.
    assert_eq!(home.ok(&["logs", &id])["count"], 4);
}

#[test]
fn a_client_that_leaves_ends_its_command() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let mut running = home.start(&["exec", &id, "--", "echo ready; exec sleep 1000"]);
    running.wait_for("ready");
    running.kill();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let entry = home.ok(&["logs", &id])["entries"][0].clone();
        if entry["outcome"] == "cancelled" {
            assert_eq!(
                (&entry["exit_code"], &entry["stdout"]),
                (&json!(130), &json!("ready\n"))
            );
            break;
        }
        assert!(Instant::now() < deadline, "{entry:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut running = home.start(&[
        "--json",
        "exec",
        &id,
        "--",
        "trap 'exit 5' INT; echo ready >/tmp/f; while :; do sleep 0.1; done",
    ]);
    while home.sh(&id, "cat /tmp/f 2>/dev/null; true").is_empty() {
        assert!(!running.has_ended());
    }
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!(ended.json()["exit_code"], 5, "the command heard the interrupt");
}

#[test]
fn a_supervisor_that_is_killed_loses_its_vm_and_nothing_else() {
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha"]);
    home.sh(&id, "echo kept >f; sync");
    let mut running = home.start(&["exec", &id, "--", "echo ready; sleep 1000"]);
    running.wait_for("ready");
    home.kill_supervisor(&id);
    let ended = running.finish();
    assert_eq!(ended.status, 125, "{}", ended.stderr);
    assert!(ended.stderr.contains("its disk is kept"), "{}", ended.stderr);
    let status = home.ok(&["status", "alpha"]);
    assert_eq!(
        (&status["state"], &status["stop_reason"]),
        (&json!("stopped"), &json!("supervisor_lost"))
    );
    let result = home.ok(&["exec", "alpha", "--timeout-seconds", "600", "--", "cat f"]);
    assert_eq!(
        (&result["stdout"], &result["auto_started"]),
        (&json!("kept\n"), &json!(true))
    );
    assert_eq!(home.ok(&["logs", &id])["entries"][1]["outcome"], "lost");
}

#[test]
fn a_guest_that_ends_its_machine_stops_its_workspace() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let error = home.refused(
        &["exec", &id, "--", "echo b >/proc/sysrq-trigger; sleep 1000"],
        "guest-lost",
    );
    assert!(
        error["details"]["console_tail"].is_string() || error["details"].is_object(),
        "{error:#}"
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while home.state(&id) != "stopped" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(home.ok(&["status", &id])["stop_reason"], "guest_exited");
}

#[test]
fn what_ends_a_workspace_ends_its_commands_as_cancelled() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    for words in [["reset", &id], ["stop", &id]] {
        let mut running = home.start(&["exec", &id, "--", "echo ready; trap '' TERM; sleep 1000"]);
        running.wait_for("ready");
        home.ok(&words);
        let ended = running.finish();
        assert_ne!(ended.status, 0, "{words:?}: {}", ended.stderr);
        let logs = home.ok(&["logs", &id, "--tail", "1"]);
        let outcome = &logs["entries"][0]["outcome"];
        assert!(
            ["cancelled", "signaled", "lost"].contains(&outcome.as_str().unwrap()),
            "{words:?}: {logs:#}"
        );
    }
}

#[test]
fn names_ids_and_labels_are_checked_before_anything_is_touched() {
    let home = Workspaces::new();
    for name in ["../x", "a/b", ".a", "-a", "3f2a91c0d4e5", ""] {
        let name = format!("--name={name}");
        home.refused(&["create", &name], "invalid-argument");
    }
    home.refused(&["create", "--label", "no value"], "invalid-argument");
    home.refused(&["create", "--label", "k="], "invalid-argument");
    home.refused(&["create", "--ttl-seconds", "59"], "invalid-argument");
    for id in ["../x", "/etc", "a/../b", "a:b"] {
        home.refused(&["exec", id, "--", "true"], "invalid-id");
        home.refused(&["delete", id], "invalid-id");
    }
    home.refused(&["status", "3f2a91c0d4e5"], "workspace-not-found");
    assert_eq!(names(&home.0.state()), [""; 0]);

    let id = home.create(&["--name", " alpha "]);
    let error = home.refused(&["create", "--name", "alpha"], "name-taken");
    assert!(error["hint"].as_str().unwrap().contains(&id), "{error:#}");
    let updated = home.ok(&[
        "update",
        "alpha",
        "--name",
        "beta",
        "--label",
        "owner=alice",
        "--ttl-seconds",
        "60",
    ]);
    assert_eq!(
        (&updated["name"], &updated["labels"], &updated["ttl_seconds"]),
        (&json!("beta"), &json!({"owner": "alice"}), &json!(60))
    );
    let updated = home.ok(&["update", "beta", "--clear-name", "--clear-label", "owner"]);
    assert_eq!((&updated["name"], &updated["labels"]), (&Value::Null, &json!({})));
    home.refused(&["status", "beta"], "workspace-not-found");
}

#[test]
fn a_record_that_cannot_be_read_is_the_trouble_of_one() {
    let home = Workspaces::new();
    let (id, other) = (home.create(&[]), home.create(&["--name", "other"]));
    home.ok(&["stop", &id]);
    let record = home.dir(&id).join("record.json");
    let text = fs::read(&record).unwrap();
    fs::write(&record, &text[..text.len() / 2]).unwrap();
    let listed = home.ok(&["list"]);
    assert_eq!(listed["count"], 2);
    let damaged = listed["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .find(|workspace| workspace["workspace_id"] == *id)
        .unwrap_or_else(|| panic!("{listed:#}"));
    assert_eq!(damaged["state"], "damaged");
    home.refused(&["status", &id], "state-damaged");
    home.refused(&["exec", &id, "--", "true"], "state-damaged");
    let made = home.create(&["--name", "made"]);
    assert_eq!(home.ok(&["delete", &made])["deleted"], true);
    fs::write(
        &record,
        String::from_utf8(text)
            .unwrap()
            .replace("\"format\": 1", "\"format\": 99"),
    )
    .unwrap();
    home.refused(&["status", &id], "version-mismatch");
    assert_eq!(home.sh(&other, "echo fine"), "fine\n");
    assert_eq!(home.ok(&["delete", &id])["deleted"], true);
    assert_eq!(home.ok(&["list"])["count"], 1);
}

#[test]
fn a_creation_that_is_given_up_leaves_nothing() {
    let home = Workspaces::new();
    // So that the first of them does not make the template.
    let first = home.create(&[]);
    home.ok(&["delete", &first]);
    for (signal, milliseconds) in [
        (Signal::INT, 30),
        (Signal::KILL, 30),
        (Signal::KILL, 120),
        (Signal::KILL, 200),
    ] {
        let mut running = home.start(&["create", "--id-only"]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        if running.has_ended() {
            continue;
        }
        running.signal(signal);
        running.wait_without_reading();
        let deadline = Instant::now() + Duration::from_secs(30);
        // It may have been made already; then it is whole.
        loop {
            let listed = home.ok(&["list"]);
            let states: Vec<&str> = listed["workspaces"]
                .as_array()
                .unwrap()
                .iter()
                .map(|workspace| workspace["state"].as_str().unwrap())
                .collect();
            if states.iter().all(|state| *state == "started") {
                break;
            }
            assert!(Instant::now() < deadline, "{listed:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
        for workspace in home.ok(&["list"])["workspaces"].as_array().unwrap() {
            let id = workspace["workspace_id"].as_str().unwrap();
            assert_eq!(home.sh(id, "echo whole"), "whole\n");
            home.ok(&["delete", id]);
        }
    }
}

#[test]
fn long_output_keeps_both_ends_on_disk() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let words = [
        "workspace",
        "--json",
        "exec",
        &id,
        "--",
        "seq 1 400000; echo end >&2",
    ];
    let ended = Ended::from(
        home.0
            .pyro(words)
            .env("PYRO_OUTPUT_LIMIT_MIB", "1")
            .output()
            .unwrap(),
    );
    let result = ended.json();
    let logs = home.ok(&["logs", &id]);
    let entry = &logs["entries"][0];
    assert_eq!(entry["stdout_info"]["bytes"], 2_688_895);
    assert_eq!(entry["stdout_info"], result["stdout_info"]);
    let stdout = entry["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("1\n2\n3\n") && stdout.ends_with("\n399999\n400000\n"));
    assert_eq!(entry["stderr"], "end\n");
    assert!(fs::metadata(home.dir(&id).join("output/1.stdout")).unwrap().len() <= 1 << 20);
}

#[test]
fn a_workspace_that_nobody_uses_stops_and_starts_again_when_somebody_does() {
    let home = Workspaces::new();
    let id = home.create(&["--ttl-seconds", "60"]);
    home.sh(&id, "echo kept >f");
    let deadline = Instant::now() + Duration::from_secs(600);
    while home.state(&id) != "stopped" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(home.ok(&["status", &id])["stop_reason"], "ttl_expired");
    let (_, result) = home.json(&["exec", &id, "--timeout-seconds", "600", "--", "cat f"]);
    assert_eq!(
        (&result["stdout"], &result["auto_started"]),
        (&json!("kept\n"), &json!(true))
    );
}
