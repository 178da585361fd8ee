//! What a guest is: a machine of its own, different from the host and from every other.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::Home;

/// Prints `name=value` lines about the machine that it runs in.
const SURVEY: &str = "\
    echo kernel=$(uname -r); echo boot_id=$(cat /proc/sys/kernel/random/boot_id); echo uid=$(id -u)
    echo hostname=$(cat /proc/sys/kernel/hostname); echo machine_id=$(cat /etc/machine-id)
    echo random=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'); echo time=$(date +%s.%N)
    echo git=$(git --version); echo cpus=$(nproc); echo devices=$(ls /sys/class/net | tr '\\n' ' ')";

fn survey(home: &Home, options: &[&str]) -> (Value, BTreeMap<String, String>) {
    let (status, result) = home.json(options, &[SURVEY]);
    assert_eq!(status, 0, "{result:#}");
    let lines = result["stdout"].as_str().unwrap().lines();
    let facts = lines.filter_map(|line| line.split_once('='));
    let facts = facts
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    (result, facts)
}

#[test]
fn a_guest_is_a_machine_of_its_own() {
    let home = Home::new();
    let before = SystemTime::now();
    let (result, guest) = survey(&home, &["--vcpu-count", "2"]);
    let after = SystemTime::now();
    let host = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();

    assert_eq!(guest["kernel"], result["metadata"]["kernel"].as_str().unwrap());
    // Not the version: a host may have the very kernel that guests have.
    assert_ne!(guest["boot_id"], host("/proc/sys/kernel/random/boot_id"));
    assert_eq!(guest["uid"], "0");
    assert_eq!(guest["cpus"], "2");
    assert!(guest["git"].starts_with("git version 2."), "{}", guest["git"]);
    assert_eq!(
        guest["devices"].replace("lo", "").trim(),
        "",
        "a guest has no network"
    );
    let id = result["vm_id"].as_str().unwrap();
    assert_eq!(guest["hostname"], format!("pyro-{id}"));

    let since_epoch = Duration::from_secs_f64(guest["time"].parse().unwrap());
    let clock = SystemTime::UNIX_EPOCH + since_epoch;
    let slack = Duration::from_secs(2);
    assert!(
        before - slack < clock && clock < after + slack,
        "{clock:?} is not between {before:?} and {after:?}"
    );

    assert_eq!(result["cleanup"]["deleted"], true);
    assert_eq!(result["cleanup"]["reason"], "post_exec_cleanup");
    assert!(["guest_serial", "guest_vsock"].contains(&result["execution_mode"].as_str().unwrap()));
    assert_eq!(result["warnings"], Value::Array(Vec::new()));

    let (_, other) = survey(&home, &[]);
    for name in ["boot_id", "hostname", "machine_id", "random"] {
        assert_ne!(guest[name], other[name], "{name}");
    }
    assert_eq!(guest["machine_id"].len(), 32);
    assert_eq!(other["cpus"], "1");
}
