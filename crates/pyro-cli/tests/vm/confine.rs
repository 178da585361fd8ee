//! What holds a VMM in, looked at from outside while it runs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails must fail the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::{Home, Running, names};
use crate::tier::Tier;

/// A line of `/proc/PID/status`.
fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap().trim().to_owned()
}

fn namespace(pid: &str, name: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
    link.to_string_lossy().into_owned()
}

/// A run whose command waits for its input, and its VMM.
fn vmm(home: &Home) -> (Running, i32) {
    let mut running = home.start(&["-i", "-q"], &["echo ready; read -r _"]);
    running.wait_for("ready");
    let program = Tier::wanted().program();
    let family = running.descendants();
    let vmm = family.iter().find(|process| process.is_program(program));
    let pid = vmm.unwrap_or_else(|| panic!("no {program} in {family:?}")).pid();
    (running, pid)
}

#[test]
fn a_vmm_has_no_privileges_and_a_filter() {
    let home = Home::new();
    let (running, pid) = vmm(&home);
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "CapEff"), "0000000000000000");
    for task in names(format!("/proc/{pid}/task").as_ref()) {
        let task = task.parse().unwrap();
        assert_eq!(status(task, "Seccomp"), "2");
    }
    let own = status(i32::try_from(std::process::id()).unwrap(), "Uid");
    let uid = status(pid, "Uid");
    if own.starts_with('0') {
        assert!(!uid.starts_with('0'), "{uid}");
        assert_eq!(status(pid, "Groups"), "");
    }
    if Tier::wanted().vmm == "firecracker" {
        // The gate's and its own.
        let filters: u32 = status(pid, "Seccomp_filters").parse().unwrap();
        assert!(filters >= 2, "{filters}");
    }
    for name in ["net", "ipc"] {
        let vmm = namespace(&pid.to_string(), name);
        assert_ne!(vmm, namespace("self", name), "{name}");
    }
    drop(running.finish());
    let (_, result) = home.json(&[], &["true"]);
    let layers = result["metadata"]["confinement"].as_str().unwrap();
    for layer in ["no-new-privileges", "network-namespace", "system-call-filter"] {
        assert!(layers.contains(layer), "{layers}");
    }
    let has_own_root = Tier::wanted().vmm == "firecracker";
    assert_eq!(layers.contains("own-root"), has_own_root, "{layers}");
}

#[test]
fn firecracker_finds_nothing_in_its_root_but_itself_and_its_sockets() {
    if Tier::wanted().vmm != "firecracker" {
        // QEMU has the host's root; `metadata.confinement` of the test above says so.
        return;
    }
    let home = Home::new();
    let (running, pid) = vmm(&home);
    let root = format!("/proc/{pid}/root");
    let known = ["api.sock", "devices", "firecracker", "vsock.sock"];
    for name in names(root.as_ref()) {
        let is_known = known.contains(&name.as_str()) || name.starts_with("vsock.sock_");
        assert!(is_known, "{name}");
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    assert_eq!(mounts.lines().count(), 2, "{mounts}");
    drop(running.finish());
}

#[test]
fn a_firecracker_that_cannot_start_leaves_its_place_to_qemu() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    // A script needs a shell, and a jail has none.
    let fake = bin.join("firecracker");
    fs::write(&fake, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&fake, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut command = home.run_command(&["--json"], &["true"]);
    let output = command.env("PATH", path).output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["exit_code"], 0, "{result:#}");
    assert_eq!(
        (&result["isolation"], &result["vmm"]),
        (&Tier::wanted().isolation.into(), &"qemu".into())
    );
    // Only where KVM works, Firecracker is tried at all.
    let warnings = result["warnings"].as_array().unwrap();
    match Tier::wanted().isolation {
        "hardware" => assert!(
            warnings[0].as_str().unwrap().contains("QEMU runs it instead"),
            "{result:#}"
        ),
        _ => assert!(warnings.is_empty(), "{result:#}"),
    }
}
