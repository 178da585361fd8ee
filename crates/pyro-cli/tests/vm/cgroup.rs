//! The limits around a VMM: in force where a result says so, and explained where it does not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness that fails must fail the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::all_gone;
use crate::support::{Home, Running, gone_within};
use crate::tier::Tier;

/// The name of the layer, if all that it can limit is limited.
const LAYER: &str = "cgroup-limits";

/// What the memory limit grants beside the guest's memory, at least: what admission counts for a VMM.
const VMM_BYTES: u64 = 60 << 20;

/// No machine of this test is granted as much: 4 GiB, and its disk of 10 GiB where the home is in memory.
const MOST_BYTES: u64 = 14 << 30;

/// The layer as a result names it, if it does.
fn layer(home: &Home) -> Option<String> {
    let (status, result) = home.json(&[], &["true"]);
    assert_eq!(status, 0, "{result:#}");
    let confinement = result["metadata"]["confinement"].as_str().unwrap();
    let mut names = confinement.split(", ");
    names.find(|name| name.starts_with(LAYER)).map(str::to_owned)
}

/// The directory of the cgroup that the VMM of an invocation is in.
fn cgroup_of_vmm(running: &Running) -> PathBuf {
    let processes = running.descendants();
    let vmm = processes
        .iter()
        .find(|process| process.name().starts_with(Tier::wanted().vmm))
        .unwrap_or_else(|| panic!("no VMM among {processes:?}"));
    let text = fs::read_to_string(format!("/proc/{}/cgroup", vmm.pid())).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
    Path::new(mount.split(' ').nth(4).unwrap()).join(path)
}

fn number(cgroup: &Path, file: &str) -> u64 {
    let text = fs::read_to_string(cgroup.join(file)).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("{file}: {text}"))
}

#[test]
fn a_vmm_has_the_limits_that_its_result_names() {
    let home = Home::new();
    let Some(layer) = layer(&home) else {
        let must_be = std::env::var_os("PYRO_TEST_CGROUPS").is_some();
        assert!(!must_be, "cgroups are delegated here, and there are no limits");
        assert_doctor_names_the_reason(&home);
        return;
    };
    let options = ["--mem-mib", "256", "--vcpu-count", "2"];
    let mut running = home.start(&options, &["echo ready; sleep 1000"]);
    running.wait_for("ready");
    let cgroup = cgroup_of_vmm(&running);
    let name = cgroup.file_name().unwrap().to_str().unwrap();
    assert!(
        name.parse::<pyro::VmId>().is_ok() && cgroup.parent().unwrap().ends_with("pyro"),
        "{cgroup:?}"
    );
    let limited = |controller: &str| layer == LAYER || layer.contains(controller);
    if limited("memory") {
        let limit = number(&cgroup, "memory.max");
        assert!(
            ((256 << 20) + VMM_BYTES..MOST_BYTES).contains(&limit),
            "memory.max is {limit}"
        );
        let used = number(&cgroup, "memory.current");
        assert!((1 << 20..limit).contains(&used), "memory.current is {used}");
    }
    if limited("pids") {
        let limit = number(&cgroup, "pids.max");
        assert!((64..1024).contains(&limit), "pids.max is {limit}");
        assert!(number(&cgroup, "pids.current") >= 3);
    }
    if limited("cpu") {
        let limit = fs::read_to_string(cgroup.join("cpu.max")).unwrap();
        assert_eq!(limit.trim(), "300000 100000");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.finish().status, 130);
    assert!(!cgroup.exists(), "{cgroup:?} is left");

    let mut running = home.start(&options, &["echo ready; sleep 1000"]);
    running.wait_for("ready");
    let cgroup = cgroup_of_vmm(&running);
    let vm = running.descendants();
    running.kill();
    assert!(all_gone(&vm, gone_within()), "{vm:?}");
    // Nobody was left to remove it: the next one does.
    assert_eq!(home.run(&options, &["true"]).status, 0);
    assert!(!cgroup.exists(), "{cgroup:?} is left");
}

/// Without limits, the reason and a way to have them are what the user is told, once asked.
fn assert_doctor_names_the_reason(home: &Home) {
    let output = home.pyro(["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "confinement").unwrap();
    assert_eq!(check["status"], "warn", "{check:#}");
    let summary = check["summary"].as_str().unwrap();
    let (_, reason) = summary
        .split_once("cgroup limits (")
        .unwrap_or_else(|| panic!("{summary}"));
    assert!(reason.contains("cgroup"), "{summary}");
    let fix = check["fix"].as_str().unwrap();
    assert!(fix.contains("for limits around"), "{fix}");
    assert_eq!(
        report["runtime"]["confinement"]["cgroup_controllers"],
        Value::Array(Vec::new())
    );
}
