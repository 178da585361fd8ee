//! What is brought into a workspace, and what that spares.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::tree::{make_fifo, make_work_tree, write};
use crate::workspace::Workspaces;

fn tar(words: &[&str], dir: &Path) {
    let output = Command::new("tar").args(words).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "tar {words:?}: {output:?}");
}

#[test]
fn a_push_adds_and_replaces_and_removes_only_what_it_may() {
    let home = Workspaces::new();
    let source = home.home().path().join("source");
    write(&source.join("README.md"), "first\n", 0o644);
    write(&source.join(".gitignore"), "*.log\n", 0o644);
    make_work_tree(&source);
    write(&source.join("host.log"), "ignored\n", 0o644);
    write(&source.join("untracked"), "comes along\n", 0o755);
    let id = home.create(&[]);

    let pushed = home.ok(&["sync", "push", &id, "source"]);
    let report = &pushed["workspace_sync"];
    assert_eq!(
        (&report["mode"], &report["destination"], &report["ignored_count"]),
        (&json!("directory"), &json!("/workspace"), &json!(1)),
        "{pushed:#}"
    );
    assert_eq!(home.sh(&id, "ls -A"), ".git\n.gitignore\nREADME.md\nuntracked\n");

    home.sh(
        &id,
        "echo x >extra; mkdir -p dir/empty; echo x >dir/f; echo x >guest.log; rm README.md",
    );
    write(&source.join("README.md"), "second\n", 0o600);
    let tried = home.ok(&["sync", "push", &id, "source", "--delete", "--dry-run"]);
    assert_eq!(tried["dry_run"], true);
    let paths = tried["workspace_sync"]["deleted_paths"].to_string();
    assert!(paths.contains("extra") && paths.contains("dir"), "{tried:#}");
    for spared in ["guest.log", ".git", "README.md", "untracked"] {
        assert!(!paths.contains(spared), "{tried:#}");
    }
    let shown = home.pyro(&["sync", "push", &id, "source", "--delete", "--dry-run"]);
    assert!(shown.text().starts_with("would remove "), "{}", shown.text());
    assert!(shown.text().lines().last().unwrap().starts_with("would push "));
    assert_eq!(home.sh(&id, "ls"), "dir\nextra\nguest.log\nuntracked\n");

    let pushed = home.ok(&["sync", "push", &id, "source", "--delete"]);
    assert_eq!(
        pushed["workspace_sync"]["deleted_count"],
        tried["workspace_sync"]["deleted_count"]
    );
    assert_eq!(
        home.sh(&id, "ls -A; cat README.md; stat -c %a README.md; cat .git/HEAD"),
        ".git\n.gitignore\nREADME.md\nguest.log\nuntracked\nsecond\n600\nref: refs/heads/main\n"
    );
    // The baseline is as it was: empty.
    assert_eq!(home.ok(&["diff", &id])["changed"], true);

    let pushed = home.ok(&["sync", "push", &id, "source", "--include-ignored"]);
    assert_eq!(pushed["workspace_sync"]["ignored_count"], 0);
    assert_eq!(home.sh(&id, "cat host.log"), "ignored\n");

    // A source that is no work tree: its `.git` is not there, and that of the workspace stays.
    write(&home.home().path().join("plain/only"), "only\n", 0o644);
    home.ok(&["sync", "push", &id, "plain", "--delete"]);
    assert_eq!(
        home.sh(&id, "cat only .git/HEAD; ls README.md 2>/dev/null; true"),
        "only\nref: refs/heads/main\n"
    );
}

#[test]
fn a_push_goes_where_it_is_told_and_says_what_it_left_out() {
    let home = Workspaces::new();
    let source = home.home().path().join("source");
    write(&source.join("dir/f"), "content\n", 0o644);
    make_fifo(&source.join("pipe"));
    let id = home.create(&[]);
    let pushed = home.pyro(&["sync", "push", &id, "source", "--dest", "a/b"]);
    assert_eq!(pushed.status, 0, "{}", pushed.stderr);
    assert_eq!(pushed.stderr, "warning: skipped `pipe`: fifo\n");
    assert!(
        pushed.text().contains("to /workspace/a/b; 1 skipped\n"),
        "{}",
        pushed.text()
    );
    assert_eq!(home.sh(&id, "cat a/b/dir/f; ls a/b"), "content\ndir\n");
    home.sh(&id, "echo beside >a/kept");
    home.ok(&[
        "sync",
        "push",
        &id,
        "source",
        "--dest",
        "/workspace/a/b",
        "--delete",
    ]);
    assert_eq!(home.sh(&id, "cat a/kept"), "beside\n");
    home.sh(&id, "ln -s /etc out");
    home.refused(&["sync", "push", &id, "source", "--dest", "out"], "path-refused");
    assert_eq!(home.sh(&id, "ls -d /etc/dir 2>/dev/null; true"), "");
}

#[test]
fn archives_are_taken_by_their_content_and_bad_ones_change_nothing() {
    let home = Workspaces::new();
    let dir = home.home().path().to_owned();
    write(&dir.join("source/a/f"), "content\n", 0o640);
    tar(&["-cf", "plain", "-C", "source", "a"], &dir);
    tar(&["-czf", "gzip", "-C", "source", "a"], &dir);
    let id = home.create(&["--seed-path", "plain"]);
    let seed = &home.ok(&["status", &id])["workspace_seed"];
    assert_eq!(seed["mode"], "tar_archive");
    assert_eq!(home.sh(&id, "stat -c %a a/f"), "640\n");
    let pushed = home.ok(&["sync", "push", &id, "gzip", "--dest", "b"]);
    assert_eq!(pushed["workspace_sync"]["mode"], "tar_archive");
    assert_eq!(home.sh(&id, "cat b/a/f"), "content\n");

    let before = home.sh(&id, "find . | sort");
    tar(
        &["-cPf", "leaving", "--transform", "s,^,../,", "-C", "source", "a"],
        &dir,
    );
    home.refused(&["sync", "push", &id, "leaving"], "archive-invalid");
    fs::write(dir.join("garbage"), "no archive of any kind").unwrap();
    home.refused(&["sync", "push", &id, "garbage"], "archive-invalid");
    home.refused(&["sync", "push", &id, "missing"], "host-io");
    assert_eq!(home.sh(&id, "find . | sort"), before);
    home.refused(&["create", "--seed-path", "leaving"], "archive-invalid");
    home.refused(&["create", "--seed-path", "missing"], "host-io");
    assert_eq!(home.ok(&["list"])["count"], 1);
}
