//! What a guest is: a machine of its own, different from the host and from every other.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::image::{STATIC, home_with_static_image, root_image};
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

#[test]
fn two_restores_of_one_template_have_nothing_secret_in_common() {
    let home = Home::new();
    survey(&home, &[]);
    let [(first, one), (second, another)] = [(); 2].map(|()| survey(&home, &[]));
    for result in [&first, &second] {
        assert_eq!(result["metadata"]["start_kind"], "restored", "{result:#}");
    }
    for name in ["boot_id", "hostname", "machine_id", "random"] {
        assert_ne!(one[name], another[name], "{name}");
    }
}

#[test]
fn what_a_guest_writes_never_reaches_its_image() {
    let home = home_with_static_image();
    let inspected = home.pyro(["env", "inspect", STATIC, "--json"]).output().unwrap();
    let environment: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(environment["installed"], true, "{environment:#}");
    let root = root_image(home.cache());
    let state = || {
        let metadata = fs::metadata(&root).unwrap();
        let mut hasher = Sha256::new();
        std::io::copy(&mut fs::File::open(&root).unwrap(), &mut HashWriter(&mut hasher)).unwrap();
        (
            hasher.finalize().to_vec(),
            metadata.mtime_nsec(),
            metadata.ctime_nsec(),
            metadata.blocks(),
        )
    };
    let before = state();
    let script =
        "/busybox echo changed >/new && /busybox cp /busybox /copy && /busybox rm /busybox && echo gone";
    let ended = home.run(&["-q"], &["/busybox", "sh", "-c", script]);
    assert_eq!((ended.status, ended.text()), (0, "gone\n"), "{}", ended.stderr);
    let ended = home.run(&["-q"], &["/busybox", "ls", "/new", "/busybox"]);
    assert_eq!(ended.text(), "/busybox\n");
    assert!(state() == before, "the image was changed");
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
