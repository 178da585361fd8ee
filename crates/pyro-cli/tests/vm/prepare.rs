//! Templates from the outside: made and proved ahead of time, measured, and removed when they no longer fit.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::image::home_with_static_image;
use crate::support::{Ended, Home, required};

/// The program's own runtime directory.
fn runtime_dir() -> PathBuf {
    let bin = required("PYRO_TEST_BIN");
    let prefix = bin.parent().and_then(Path::parent);
    prefix.expect("the binary is in `bin`").join("lib/pyro")
}

/// A runtime like the program's own, but with another initramfs.
pub(crate) fn other_runtime(home: &Home, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let dir = home.path().join("runtime");
    fs::create_dir(&dir).unwrap();
    fs::copy(runtime_dir().join("vmlinux"), dir.join("vmlinux")).unwrap();
    let mut initramfs = fs::read(runtime_dir().join("initramfs.cpio")).unwrap();
    change(&mut initramfs);
    fs::write(dir.join("initramfs.cpio"), &initramfs).unwrap();
    let digest = Sha256::digest(&initramfs);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = fs::read(runtime_dir().join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["files"]["initramfs.cpio"]["sha256"] = digest.into();
    manifest["files"]["initramfs.cpio"]["size"] = initramfs.len().into();
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    dir
}

fn object(home: &Home, words: &[&str], runtime: Option<&Path>) -> Value {
    let mut command = home.pyro(words);
    if let Some(dir) = runtime {
        command.env("PYRO_RUNTIME_DIR", dir);
    }
    let ended = Ended::from(command.output().unwrap());
    assert_eq!(ended.status, 0, "{words:?}: {} {}", ended.text(), ended.stderr);
    ended.json()
}

fn start_kind(home: &Home, runtime: Option<&Path>) -> Value {
    let mut command = home.run_command(&["--json"], &["/busybox", "true"]);
    if let Some(dir) = runtime {
        command.env("PYRO_RUNTIME_DIR", dir);
    }
    let ended = Ended::from(command.output().unwrap());
    assert_eq!(ended.status, 0, "{} {}", ended.text(), ended.stderr);
    ended.json()["metadata"]["start_kind"].take()
}

#[test]
fn a_template_is_prepared_once_measured_and_removed_when_another_runtime_boots() {
    let home = home_with_static_image();
    let report = object(&home, &["prepare", "--json"], None);
    assert_eq!(
        (&report["status"], &report["reused"]),
        (&"pass".into(), &false.into()),
        "{report:#}"
    );
    let steps: Vec<_> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["name"])
        .collect();
    assert_eq!(steps, ["environment", "template", "restore"]);
    assert_eq!(start_kind(&home, None), "restored");

    let again = object(&home, &["prepare", "--json"], None);
    assert_eq!(
        (&again["reused"], &again["prepared_at"]),
        (&true.into(), &report["prepared_at"])
    );
    let forced = object(&home, &["prepare", "--json", "--force"], None);
    assert_eq!(
        (&forced["status"], &forced["reused"]),
        (&"pass".into(), &false.into()),
        "{forced:#}"
    );
    assert_ne!(forced["prepared_at"], report["prepared_at"]);

    let usage = object(&home, &["df", "--json"], None);
    let template = &usage["templates"][0];
    assert!(
        template["name"]
            .as_str()
            .unwrap()
            .starts_with("static: 1 vCPU, 1024 MiB"),
        "{usage:#}"
    );
    let figure = |name: &str| template[name].as_u64().unwrap();
    assert!(
        figure("apparent_bytes") > 1 << 30,
        "memory and disk in full: {usage:#}"
    );
    assert!((1..1 << 30).contains(&figure("used_bytes")), "sparse: {usage:#}");

    let kept = object(&home, &["prune", "--yes", "--json"], None);
    assert_eq!(
        (
            kept["removed"].as_array().unwrap().len(),
            &kept["kept"][0]["name"]
        ),
        (0, &template["name"])
    );

    // Zeros after an archive are no part of it, so this one boots as the other does.
    let other = other_runtime(&home, |initramfs| initramfs.extend([0; 512]));
    let words = ["prune", "--dry-run", "--json"];
    let tried = object(&home, &words, Some(&other));
    assert_eq!(tried["removed"][0]["path"], template["path"], "{tried:#}");
    assert!(Path::new(template["path"].as_str().unwrap()).exists());
    let report = object(&home, &["prune", "--yes", "--json"], Some(&other));
    assert_eq!(report["removed"], tried["removed"]);
    assert!(!Path::new(template["path"].as_str().unwrap()).exists());

    assert_eq!(start_kind(&home, Some(&other)), "template");
    assert_eq!(start_kind(&home, Some(&other)), "restored");
    // A proof does not outlive its template.
    assert_eq!(object(&home, &["prepare", "--json"], None)["reused"], false);
}

#[test]
fn a_vm_that_does_not_boot_is_a_finding_that_names_the_step() {
    let home = home_with_static_image();
    // A kernel without an agent.
    let broken = other_runtime(&home, |initramfs| initramfs.fill(0));
    let mut command = home.pyro(["prepare", "--json"]);
    command.env("PYRO_RUNTIME_DIR", &broken);
    let ended = Ended::from(command.output().unwrap());
    let report = ended.json();
    assert_eq!(
        (ended.status, &report["status"]),
        (1, &"fail".into()),
        "{report:#}"
    );
    assert_eq!(report["prepared_at"], Value::Null);
    let last = report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["name"], &last["error"]["code"]),
        (&"template".into(), &"boot-failed".into())
    );
    assert!(
        object(&home, &["df", "--json"], None)["templates"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
