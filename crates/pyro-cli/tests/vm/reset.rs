//! Resets on a host that has not the memory for two VMs, and of a disk that has errors.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Home;
use crate::workspace::Workspaces;

const MEM_MIB: u64 = 2048;

/// Leaves VMs no more memory than one and a half of those here need, as if this test had reserved the rest. What the
/// VM that runs has is given back when it ends.
fn take_memory(home: &Home) {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let figure = |name: &str| -> u64 {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    };
    let vm = MEM_MIB << 20;
    let for_vms = figure("MemAvailable:") - figure("MemTotal:") / 20;
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start: u64 = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap();
    let path = home.state().join("admission.json");
    let mut register: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    register["entries"].as_array_mut().unwrap().push(json!({
        "vm_id": "000000000000",
        "owner_pid": std::process::id(),
        "owner_start": start,
        "mem_bytes": for_vms - vm - vm / 2,
        "disk_bytes": 0,
    }));
    fs::write(path, register.to_string()).unwrap();
}

#[test]
fn a_host_without_the_memory_for_two_vms_ends_the_old_one_first() {
    let home = Workspaces::new();
    let id = home.create(&["--mem-mib", &MEM_MIB.to_string()]);
    take_memory(home.home());
    // There is none for another.
    let refused = home.refused(
        &["create", "--mem-mib", &MEM_MIB.to_string()],
        "insufficient-resources",
    );
    assert_eq!(refused["details"]["resource"], "memory", "{refused:#}");

    home.sh(&id, "echo one >f");
    let mut running = home.start(&["exec", &id, "--", "echo ready; sleep 1000"]);
    running.wait_for("ready");
    let reset = home.ok(&["reset", &id]);
    assert_eq!(
        (&reset["state"], &reset["reset_count"]),
        (&json!("started"), &json!(1)),
        "{reset:#}"
    );
    assert_eq!(running.finish().status, 130);
    assert_eq!(
        home.sh(&id, "ls; echo two >f; (sleep 1000 &) >/dev/null 2>&1 </dev/null"),
        ""
    );
    let entries = home.ok(&["logs", &id]);
    assert_eq!(entries["entries"][1]["outcome"], "cancelled", "{entries:#}");

    // Nothing can be put where the new disk is to be.
    let in_the_way = home.dir(&id).join("disk.new");
    fs::create_dir(&in_the_way).unwrap();
    let error = home.refused(&["reset", &id], "host-io");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("disk.new") && message.contains("its processes are gone"),
        "{error:#}"
    );
    let status = home.ok(&["status", &id]);
    assert_eq!(
        (&status["state"], &status["reset_count"]),
        (&json!("started"), &json!(1)),
        "{status:#}"
    );
    assert!(
        status["warnings"].to_string().contains("the processes are gone"),
        "{status:#}"
    );
    assert_eq!(home.sh(&id, "cat f; pgrep -x sleep; true"), "two\n");

    fs::remove_dir(in_the_way).unwrap();
    assert_eq!(home.ok(&["reset", &id])["reset_count"], 2);
    assert_eq!(home.ok(&["status", &id])["warnings"], json!([]));
    assert_eq!(home.sh(&id, "ls"), "");
}

#[test]
fn a_disk_with_errors_is_told_until_a_reset() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo one >f");
    home.ok(&["stop", &id]);
    // As the kernel notes that it met one: the second bit of the state, behind the magic number.
    let disk = fs::File::options()
        .read(true)
        .write(true)
        .open(home.dir(&id).join("disk.img"))
        .unwrap();
    let mut state = [0; 4];
    disk.read_exact_at(&mut state, 1024 + 0x38).unwrap();
    assert_eq!(state, [0x53, 0xEF, 1, 0]);
    disk.write_all_at(&[3], 1024 + 0x3A).unwrap();
    drop(disk);
    let told = |object: &Value| object["warnings"].to_string().contains("has errors");
    assert!(told(&home.ok(&["start", &id])));
    assert_eq!(home.sh(&id, "cat f"), "one\n");
    // A guest that was ended well does not make it good.
    home.ok(&["stop", &id]);
    assert!(told(&home.ok(&["start", &id])));
    assert!(!told(&home.ok(&["reset", &id])));
    home.ok(&["stop", &id]);
    assert!(!told(&home.ok(&["start", &id])));
}

#[test]
fn a_workspace_whose_old_disk_gets_no_vm_either_is_stopped_with_it() {
    let home = Workspaces::new();
    let tree = home.home().path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("note"), "seeded\n").unwrap();
    let mem = MEM_MIB.to_string();
    let id = home.create(&["--mem-mib", &mem, "--seed-path", tree.to_str().unwrap()]);
    home.sh(&id, "echo one >f");
    take_memory(home.home());
    let (seed, elsewhere) = (home.dir(&id).join("seed.img"), home.dir(&id).join("elsewhere"));
    fs::rename(&seed, &elsewhere).unwrap();
    let error = home.refused(&["reset", &id], "host-io");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("it is stopped"), "{error:#}");
    let until = Instant::now() + Duration::from_secs(20);
    while home.ok(&["status", &id])["state"] != "stopped" {
        assert!(Instant::now() < until, "{:#}", home.ok(&["status", &id]));
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = home.ok(&["status", &id]);
    assert!(
        status["last_error"].to_string().contains("seed.img"),
        "{status:#}"
    );
    assert_eq!(status["reset_count"], 0);
    fs::rename(&elsewhere, &seed).unwrap();
    assert_eq!(home.sh(&id, "cat note f"), "seeded\none\n");
}
