use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::*;
use crate::object::Severity;

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A runtime directory whose files match its manifest.
fn install(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let write = |name: &str, content: &str| {
        std::fs::write(dir.join(name), content).unwrap();
        json!({"sha256": digest(content.as_bytes()), "size": content.len()})
    };
    let files = json!({
        "vmlinux": write("vmlinux", "kernel"),
        "initramfs.cpio": write("initramfs.cpio", "initramfs"),
    });
    let manifest = json!({
        "format": 1,
        "pyro_version": "0.1.0",
        "kernel_release": "6.1.0",
        "files": files,
        "agent": write("pyro-agent", "agent"),
    });
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
}

/// A host with a complete runtime and a QEMU that tells its version.
fn healthy(base: &Path) -> Settings {
    use std::os::unix::fs::PermissionsExt;
    let mut settings = Settings::new(base.join("home"), base.join("cache"));
    install(&base.join("runtime"));
    settings.runtime_dir = Some(base.join("runtime"));
    let qemu = base.join("bin/qemu-system-x86_64");
    std::fs::create_dir(base.join("bin")).unwrap();
    std::fs::write(&qemu, "#!/bin/sh\necho 'QEMU emulator version 9.9 (test)'\n").unwrap();
    std::fs::set_permissions(&qemu, PermissionsExt::from_mode(0o755)).unwrap();
    settings.search_path.insert(0, base.join("bin"));
    settings
}

async fn report(settings: Settings) -> DoctorReport {
    let report = examine(&Pyro::open(settings), &DoctorRequest::default()).await;
    for check in &report.checks {
        let has_fix = check.fix.as_ref().is_some_and(|fix| fix.contains('`'));
        assert!(check.status == Status::Pass || has_fix, "{check:?}");
    }
    let problems = report.checks.iter().filter(|check| check.status != Status::Pass);
    assert_eq!(report.issues.len(), problems.count());
    report
}

fn status(report: &DoctorReport, id: &str) -> Status {
    let check = report.checks.iter().find(|check| check.id == id);
    check.unwrap_or_else(|| panic!("no check `{id}`")).status
}

#[tokio::test]
async fn a_host_without_usable_kvm_passes_with_warnings_at_most() {
    let base = tempfile::tempdir().unwrap();
    let report = report(healthy(base.path())).await;
    assert_ne!(report.status, Status::Fail, "{:#?}", report.checks);
    assert!(report.runtime_ok);
    assert_eq!(report.runtime["vmm"]["version"], "9.9");
    assert_eq!(report.runtime["kernel_release"], "6.1.0");
    let emulated = &report.tiers[2];
    assert!(emulated.usable, "{emulated:?}");
    assert_eq!(report.tiers[1].usable, report.kvm.usable);
    let host = &report.tiers[3];
    assert!(!host.usable && host.reason.contains("never used"), "{host:?}");
    assert!(!base.path().join("home").exists(), "doctor makes no state");
}

#[tokio::test]
async fn without_a_vmm_the_host_itself_is_a_tier_if_its_agent_is_unchanged() {
    let base = tempfile::tempdir().unwrap();
    let mut settings = healthy(base.path());
    settings.search_path.clear();
    let found = report(settings.clone()).await;
    let host = &found.tiers[3];
    assert!(
        host.usable && host.reason.contains("--allow-host-compat"),
        "{host:?}"
    );
    assert!(!found.runtime_ok, "it is no VM");
    std::fs::write(base.path().join("runtime/pyro-agent"), "another").unwrap();
    let found = report(settings).await;
    let host = &found.tiers[3];
    assert!(!host.usable && host.reason.contains("pyro-agent"), "{host:?}");
}

#[tokio::test]
async fn where_nothing_works_the_report_says_so_in_under_a_second() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut settings = Settings::new(&file, file.join("below"));
    settings.runtime_dir = Some(file.clone());
    settings.search_path = vec![file.clone()];
    let started = Instant::now();
    let report = report(settings).await;
    let took = started.elapsed();
    println!("{report:#?}\nin {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(report.status, Status::Fail);
    assert!(!report.runtime_ok);
    assert!(report.tiers.iter().all(|tier| !tier.usable));
    for id in [
        "vmm.qemu",
        "runtime.kernel",
        "runtime.agent",
        "state-dir",
        "cache-dir",
    ] {
        assert_eq!(status(&report, id), Status::Fail, "{id}");
    }
    assert_eq!(status(&report, "tools"), Status::Warn);
    assert_eq!(report.issues[0].severity, Severity::Error);
}

#[tokio::test]
async fn a_changed_file_of_the_runtime_is_found() {
    let base = tempfile::tempdir().unwrap();
    let settings = healthy(base.path());
    std::fs::write(base.path().join("runtime/vmlinux"), "kernal").unwrap();
    std::fs::remove_file(base.path().join("runtime/initramfs.cpio")).unwrap();
    let report = report(settings).await;
    assert!(!report.runtime_ok);
    assert_eq!(status(&report, "runtime.kernel"), Status::Fail);
    assert_eq!(status(&report, "runtime.agent"), Status::Fail);
    let kernel = report
        .issues
        .iter()
        .find(|issue| issue.id == "runtime.kernel")
        .unwrap();
    assert!(
        kernel.message.ends_with("vmlinux` does not match its digest"),
        "{kernel:?}"
    );
}

#[tokio::test]
async fn a_vmm_that_does_not_answer_is_no_vmm() {
    let base = tempfile::tempdir().unwrap();
    let settings = healthy(base.path());
    std::fs::write(base.path().join("bin/qemu-system-x86_64"), "#!/bin/sh\nexit 1\n").unwrap();
    let report = report(settings).await;
    assert_eq!(status(&report, "vmm.qemu"), Status::Fail);
    assert!(!report.runtime_ok);
}

#[tokio::test]
async fn every_check_has_an_id_of_its_own() {
    let base = tempfile::tempdir().unwrap();
    let report = report(healthy(base.path())).await;
    let mut ids: Vec<_> = report.checks.iter().map(|check| check.id.as_str()).collect();
    ids.sort_unstable();
    let known = [
        "cache-dir",
        "confinement",
        "disk-space",
        "kvm",
        "leftovers",
        "memory",
        "platform",
        "runtime.agent",
        "runtime.kernel",
        "state-dir",
        "tools",
        "userns",
        "vmm.firecracker",
        "vmm.qemu",
    ];
    assert_eq!(ids, known);
}
