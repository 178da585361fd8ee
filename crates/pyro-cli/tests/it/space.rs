//! The commands around space, where there is nothing yet.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use serde_json::{Value, json};

use crate::harness::{Ended, Home, ended};

/// Runs words with a runtime that says what it is and boots nothing.
fn with_runtime(home: &Home, words: &[&str]) -> Ended {
    let dir = home.path().join("runtime");
    let entry = json!({"sha256": "00", "size": 0});
    let manifest = json!({
        "format": 1,
        "pyro_version": env!("CARGO_PKG_VERSION"),
        "kernel_release": "6.1.0",
        "files": {"vmlinux": entry, "initramfs.cpio": entry},
    });
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let mut command = home.command(words);
    ended(command.env("PYRO_RUNTIME_DIR", dir).output().unwrap())
}

#[test]
fn the_space_of_nothing_is_a_table_with_a_total() {
    let home = Home::new();
    let told = home.pyro(&["df"]);
    assert_eq!((told.status, told.stderr.as_str()), (0, ""));
    let lines: Vec<_> = told.stdout.lines().collect();
    assert_eq!(
        lines[..2],
        ["KIND   SIZE  USED  UNSHARED  NAME", "total  0 B   0 B   0 B"]
    );
    assert!(lines[2].ends_with(" free"), "{}", told.stdout);
    assert!(home.entries().is_empty(), "df left {:?}", home.entries());

    let told = home.pyro(&["df", "--json"]);
    let mut usage: Value = serde_json::from_str(&told.stdout).unwrap();
    assert!(usage["free_bytes"].take().as_u64().unwrap() > 0);
    assert_eq!(
        usage,
        json!({
            "environments": [], "templates": [], "disks": [], "downloads": [],
            "workspaces": [], "vms": [], "snapshots": [], "logs": [],
            "totals": {"apparent_bytes": 0, "used_bytes": 0, "unshared_bytes": 0},
            "free_bytes": null,
        })
    );
}

#[test]
fn a_draft_that_nobody_makes_is_shown_and_removed() {
    let home = Home::new();
    let draft = home
        .path()
        .join(".cache/pyro/templates")
        .join(format!(".draft-{}", "0f".repeat(32)));
    std::fs::create_dir_all(&draft).unwrap();
    std::fs::write(draft.join("memory"), vec![1; 5000]).unwrap();

    let tried = with_runtime(&home, &["prune", "--dry-run"]);
    assert_eq!((tried.status, tried.stderr.as_str()), (0, ""));
    assert!(
        tried.stdout.starts_with("would remove draft 0f0f"),
        "{}",
        tried.stdout
    );
    assert!(draft.exists());

    let told = with_runtime(
        &home,
        &["prune", "--json", "--yes", "--stopped", "--older-than", "1h"],
    );
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (told.status, &report["dry_run"], &report["kept"]),
        (0, &json!(false), &json!([]))
    );
    let removed = &report["removed"][0];
    assert_eq!(
        (&removed["kind"], &removed["path"]),
        (&json!("draft"), &json!(draft))
    );
    assert_eq!(removed["bytes"], report["freed_bytes"]);
    assert!(!draft.exists());

    let told = with_runtime(&home, &["prune", "--yes"]);
    assert_eq!(
        (told.status, told.stdout.as_str()),
        (0, "removed 0 things, 0 B\n")
    );
}

#[test]
fn a_proof_of_the_network_is_not_to_be_had() {
    let home = Home::new();
    let told = home.pyro(&["prepare", "--network", "--json"]);
    let failure: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (told.status, &failure["error"]["code"]),
        (125, &json!("unsupported"))
    );
    assert!(
        failure["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("not part of this version")
    );
    assert!(home.entries().is_empty(), "it left {:?}", home.entries());
}
