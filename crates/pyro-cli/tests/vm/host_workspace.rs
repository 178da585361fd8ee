//! Workspaces where no VM can run: everything happens in a directory of this host.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::mcp::Server;
use crate::process::{self, Watched};
use crate::support::{Home, gone_within, names};
use crate::workspace::Workspaces;

/// A home in which no VMM is found.
fn without_vms() -> Workspaces {
    let mut home = Home::new();
    home.hide_vmms();
    Workspaces::of(home)
}

fn create(home: &Workspaces, options: &[&str]) -> String {
    let created = home.ok(&[&["create", "--allow-host-compat"], options].concat());
    assert_is_on_host(&created);
    assert_eq!(
        (&created["state"], &created["allow_host_compat"]),
        (&json!("started"), &json!(true)),
        "{created:#}"
    );
    created["workspace_id"].as_str().unwrap().to_owned()
}

fn assert_is_on_host(result: &Value) {
    for (field, expected) in [
        ("isolation", "host"),
        ("vmm", "none"),
        ("execution_mode", "host_compat"),
    ] {
        assert_eq!(result[field], expected, "{field}: {result:#}");
    }
}

fn state(home: &Workspaces, id: &str) -> Value {
    home.ok(&["status", id])["state"].clone()
}

/// A project with what a seed may have.
fn seed(home: &Workspaces) -> &'static str {
    let dir = home.home().path().join("seed");
    fs::create_dir_all(dir.join("locked")).unwrap();
    fs::write(dir.join("text"), "one\ntwo\n").unwrap();
    fs::write(dir.join("tool"), "#!/bin/sh\necho works\n").unwrap();
    fs::set_permissions(dir.join("tool"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(dir.join("locked/file"), "kept\n").unwrap();
    fs::hard_link(dir.join("locked/file"), dir.join("second")).unwrap();
    symlink("/nowhere", dir.join("link")).unwrap();
    fs::set_permissions(dir.join("locked"), PermissionsExt::from_mode(0o555)).unwrap();
    "seed"
}

#[test]
fn a_workspace_without_a_vm_does_all_that_one_does() {
    let home = without_vms();
    let id = create(&home, &["--name", "alpha", "--seed-path", seed(&home)]);
    assert_eq!(
        home.sh("alpha", "./tool; cat text second; readlink link"),
        "works\none\ntwo\nkept\n/nowhere\n"
    );
    let beginning = "stat -c '%n %a %h %Y' locked text second; pwd -P; ls -A";
    let began = home.sh("alpha", beginning);
    assert!(
        began.contains("locked 555") && began.contains("second 644 2"),
        "{began}"
    );
    assert_eq!(home.ok(&["diff", "alpha"])["changed"], false);

    let written = home.home().path().join("written");
    fs::write(&written, "three\n").unwrap();
    home.ok(&["cp", "written", "alpha:/workspace/new"]);
    let patch = "--- a/text\n+++ b/text\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
    home.ok(&["patch", "apply", "alpha", "--patch", patch]);
    assert_eq!(home.sh("alpha", "cat new text"), "three\none\n2\n");
    let diff = home.ok(&["diff", "alpha"]);
    assert_eq!(
        (
            &diff["summary"]["added"],
            &diff["summary"]["modified"],
            &diff["summary"]["total"]
        ),
        (&json!(1), &json!(1), &json!(2)),
        "{diff:#}"
    );
    let exported = home.ok(&["export", "alpha", "--output", "exported"]);
    assert_eq!(exported["artifact_type"], "directory");
    let exported = home.home().path().join("exported");
    assert_eq!(fs::read_to_string(exported.join("text")).unwrap(), "one\n2\n");
    fs::write(exported.join("pushed"), "four\n").unwrap();
    home.ok(&["sync", "push", "alpha", "exported"]);
    assert_eq!(home.sh("alpha", "cat pushed; echo kept >$HOME/kept"), "four\n");
    let status = home.ok(&["status", "alpha"]);
    assert_is_on_host(&status);
    assert!(status["disk_used_bytes"].as_u64().unwrap() >= 4096, "{status:#}");
    assert_eq!(status["environment_digest"], "");
    assert!(status["warnings"].to_string().contains("isolates"), "{status:#}");

    home.ok(&["stop", "alpha"]);
    assert_eq!(home.ok(&["start", "alpha"])["state"], "started");
    assert_eq!(home.sh("alpha", "cat pushed $HOME/kept"), "four\nkept\n");
    let reset = home.ok(&["reset", "alpha"]);
    assert_eq!(
        (&reset["reset_count"], &reset["command_count"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(home.sh("alpha", beginning), began);
    assert_eq!(home.sh("alpha", "ls -A $HOME"), "");
    assert_eq!(home.ok(&["diff", "alpha"])["changed"], false);

    home.sh("alpha", "chmod 000 locked; echo 1 >changed");
    home.ok(&["stop", "alpha"]);
    assert_eq!(home.ok(&["reset", "alpha"])["reset_count"], 2);
    assert_eq!(home.sh("alpha", beginning), began);
    let kept = names(&home.dir(&id));
    assert!(!kept.iter().any(|name| name.starts_with("host.")), "{kept:?}");
    home.sh("alpha", "mkdir -p a/b; chmod 000 a/b; chmod 000 a");
    home.ok(&["delete", "alpha"]);
    unlock(&home);
}

/// Gives the seed back the permission to be removed with its home.
fn unlock(home: &Workspaces) {
    for dir in ["seed/locked", "exported/locked"] {
        let dir = home.home().path().join(dir);
        if dir.exists() {
            fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }
}

/// What would outlive a command that does not look after it, and hears no signal that asks it to end.
const STUBBORN: &str = "setsid sh -c 'trap \"\" TERM HUP; sleep 1000; true' >/dev/null 2>&1 &";

/// As that, without anything by which it could be known.
const STRANGE: &str = "env -i setsid sleep 1000 >/dev/null 2>&1 &";

/// Starts both, and returns the supervisor and all below it, once they run.
fn start_stubborn(home: &Workspaces, id: &str) -> (u32, Vec<Watched>) {
    home.sh(id, &format!("{STUBBORN} {STRANGE}"));
    family(home, id, 2)
}

/// The supervisor and all below it, once there are so many that sleep.
fn family(home: &Workspaces, id: &str, sleepers: usize) -> (u32, Vec<Watched>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (supervisor, family) = home.try_processes(id).unwrap();
        let found = family.iter().filter(|process| process.is_program("sleep"));
        if found.count() >= sleepers {
            return (supervisor, family);
        }
        assert!(Instant::now() < deadline, "{family:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn agents(family: &[Watched]) -> Vec<i32> {
    let agents = family.iter().filter(|process| process.is_program("pyro-agent"));
    let agents: Vec<i32> = agents.map(Watched::pid).collect();
    assert!(!agents.is_empty(), "{family:?}");
    agents
}

fn wait_until_stopped(home: &Workspaces, id: &str, told: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while state(home, id) != "stopped" {
        assert!(Instant::now() < deadline, "{told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn assert_gone(family: &[Watched]) {
    assert!(process::all_gone(family, gone_within()), "{family:?}");
}

#[test]
fn whoever_is_killed_nothing_lives_on_and_the_workspace_starts_again() {
    let home = without_vms();
    let id = create(&home, &[]);
    home.sh(&id, "echo one >kept");
    for round in 0..4 {
        let mut client = home.start(&["exec", &id, "--", "echo runs; sleep 1000"]);
        client.wait_for("runs");
        let (supervisor, family) = start_stubborn(&home, &id);
        let agents = agents(&family);
        match round {
            0 => kill(supervisor.try_into().unwrap()),
            // The first of them, then the last, then all.
            1 => kill(agents[0]),
            2 => kill(*agents.last().unwrap()),
            _ => agents.iter().copied().for_each(kill),
        }
        assert_gone(&family);
        client.wait_without_reading();
        wait_until_stopped(&home, &id, &format!("round {round}"));
        // As it was not asked for, the next command starts it.
        assert_eq!(home.sh(&id, "cat kept"), "one\n", "round {round}");
    }
    home.ok(&["delete", &id]);
}

/// Starts a stubborn process and kills supervisor and agent at once, so that it is nobody's. Gives what there was.
fn orphan(home: &Workspaces, id: &str) -> Vec<Watched> {
    home.sh(id, &format!("echo one >kept; {STUBBORN}"));
    let (supervisor, family) = family(home, id, 1);
    for pid in agents(&family) {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    }
    kill(supervisor.try_into().unwrap());
    agents(&family).into_iter().for_each(kill);
    wait_until_stopped(home, id, "");
    family
}

#[test]
fn what_lost_supervisor_and_agent_at_once_is_ended_by_whoever_comes_next() {
    let home = without_vms();
    let id = create(&home, &[]);
    let family = orphan(&home, &id);
    assert_eq!(home.sh(&id, "cat kept"), "one\n");
    assert_gone(&family);
    let family = orphan(&home, &id);
    home.ok(&["stop", &id]);
    assert_gone(&family);
    home.ok(&["start", &id]);
    let family = orphan(&home, &id);
    home.ok(&["delete", &id]);
    assert_gone(&family);
}

#[test]
fn a_command_cannot_be_given_the_mark_of_another_workspace() {
    let home = without_vms();
    let id = create(&home, &[]);
    let tree = home.dir(&id).join("host/tree");
    let said = home.ok(&[
        "exec",
        &id,
        "--env",
        "PYRO_WORKSPACE=/other",
        "--",
        "echo $PYRO_WORKSPACE",
    ]);
    assert_eq!(said["stdout"], format!("{}\n", tree.display()));
    home.ok(&["delete", &id]);
}

#[test]
fn a_server_without_leave_does_not_use_what_was_made_with_it() {
    let home = without_vms();
    let id = create(&home, &["--name", "alpha"]);
    let own = json!({"workspace_id": "alpha", "command": "echo here"});
    let mut server = Server::start_with_profile(home.home(), "workspace-full");
    for (tool, arguments) in [
        ("workspace_exec", &own),
        ("workspace_start", &json!({"workspace_id": id})),
        ("workspace_file_list", &json!({"workspace_id": id})),
    ] {
        let refused = server.call(tool, arguments).unwrap_err();
        assert!(
            refused.to_string().contains("isolation-unavailable"),
            "{refused:#}"
        );
    }
    server.end();
    let mut server = Server::start_with(
        home.home(),
        &["--profile", "workspace-full", "--allow-host-compat"],
    );
    assert_eq!(server.call("workspace_exec", &own).unwrap()["stdout"], "here\n");
    let run = json!({"command": "echo here", "allow_host_compat": true});
    let done = server.call("vm_run", &run).unwrap();
    assert_eq!(
        (&done["stdout"], &done["isolation"]),
        (&json!("here\n"), &json!("host"))
    );
    let refused = server
        .call("vm_run", &json!({"command": "echo here"}))
        .unwrap_err();
    assert!(refused.to_string().contains("runtime-damaged"), "{refused:#}");
    server.end();
    home.ok(&["delete", &id]);
}

#[test]
fn a_stop_and_a_reset_end_whatever_was_started() {
    let home = without_vms();
    let id = create(&home, &[]);
    let (_, family) = start_stubborn(&home, &id);
    home.ok(&["reset", &id]);
    assert_gone(&family);
    let (_, family) = start_stubborn(&home, &id);
    home.ok(&["stop", &id]);
    assert_gone(&family);
    home.ok(&["delete", &id]);
}

#[test]
fn a_reset_that_fails_leaves_everything_as_it_was() {
    let home = without_vms();
    let id = create(&home, &["--seed-path", seed(&home)]);
    home.sh(&id, "echo one >kept");
    let (seed, aside) = (home.dir(&id).join("seed"), home.dir(&id).join("aside"));
    fs::rename(&seed, &aside).unwrap();
    let (status, refused) = home.json(&["reset", &id]);
    assert_ne!(status, 0, "{refused:#}");
    fs::rename(&aside, &seed).unwrap();
    assert_eq!(home.sh(&id, "cat kept second"), "one\nkept\n");
    assert_eq!(home.ok(&["status", &id])["reset_count"], 0);
    home.ok(&["reset", &id]);
    assert_eq!(home.sh(&id, "ls kept 2>/dev/null; cat second"), "kept\n");
    home.ok(&["delete", &id]);
    unlock(&home);
}

#[test]
fn a_reset_that_was_cut_short_is_as_before_it() {
    let home = without_vms();
    let id = create(&home, &[]);
    home.sh(&id, "echo one >kept");
    home.ok(&["stop", &id]);
    // As a supervisor leaves it that is killed when the new one is not good yet.
    let dir = home.dir(&id);
    fs::rename(dir.join("host"), dir.join("host.old")).unwrap();
    fs::create_dir_all(dir.join("host/tree")).unwrap();
    home.ok(&["start", &id]);
    assert_eq!(home.sh(&id, "cat kept"), "one\n");
    home.ok(&["delete", &id]);
}

#[test]
fn without_permission_nothing_runs_on_the_host() {
    let home = without_vms();
    let (status, refused) = home.json(&["create"]);
    assert_ne!(status, 0);
    assert!(
        refused["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("--allow-host-compat"),
        "{refused:#}"
    );
    let (status, refused) = home.json(&["create", "--allow-host-compat", "--isolation", "hardware"]);
    assert_ne!(status, 0);
    assert_eq!(refused["error"]["code"], "isolation-unavailable", "{refused:#}");
}

#[test]
fn a_workspace_starts_only_where_it_was_made() {
    let mut home = Home::new();
    home.hide_vmms();
    let on_host = Workspaces::of(home);
    let id = create(&on_host, &["--name", "alpha"]);
    on_host.sh(&id, "echo one >kept");
    on_host.ok(&["stop", &id]);
    // The same home, on a host that has a VMM.
    let words = ["--json", "workspace", "start", "alpha"];
    let started = on_host.home().pyro_with_vmms(words).output().unwrap();
    let refused: Value = serde_json::from_slice(&started.stdout).unwrap();
    assert_eq!(refused["error"]["code"], "isolation-unavailable", "{refused:#}");
    assert!(
        refused["error"]["hint"].as_str().unwrap().contains("--seed-path"),
        "{refused:#}"
    );
    assert_eq!(on_host.ok(&["start", &id])["state"], "started");

    let made = [
        "--json",
        "workspace",
        "create",
        "--allow-host-compat",
        "--name",
        "beta",
    ];
    let made = on_host.home().pyro_with_vmms(made).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(
        (&made["vmm"], &made["allow_host_compat"]),
        (&json!("qemu"), &json!(true)),
        "{made:#}"
    );
    on_host.ok(&["stop", "beta"]);
    let refused = on_host.refused(&["start", "beta"], "isolation-unavailable");
    assert!(
        refused["message"].as_str().unwrap().contains("made in a VM"),
        "{refused:#}"
    );
    on_host.ok(&["delete", "beta"]);
    on_host.ok(&["delete", "alpha"]);
}
