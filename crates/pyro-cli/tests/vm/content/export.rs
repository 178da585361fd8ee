//! What is brought out of a workspace.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::tree::{as_git_sees, git, write};
use crate::support::names;
use crate::workspace::Workspaces;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// A workspace that began with some files, and in which each of them changed in another way.
fn changed(home: &Workspaces) -> String {
    let seed = home.home().path().join("seed");
    for name in ["same", "edited", "gone", "dir/moved"] {
        write(
            &seed.join(name),
            format!("{name}\n{}", "line\n".repeat(20)),
            0o644,
        );
    }
    let id = home.create(&["--seed-path", "seed"]);
    home.sh(
        &id,
        "echo more >>edited; rm gone; mv dir/moved dir/new; mkdir -p deep/er; echo x >deep/er/f; chmod +x deep/er/f; ln -s \
         ../same deep/link",
    );
    id
}

#[test]
fn a_file_a_directory_and_a_link_come_out_as_they_are() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let out = |name: &str| home.home().path().join(name);
    home.sh(
        &id,
        "mkdir -p d/e; echo x >d/f; chmod 4751 d/f; chmod 3777 d; ln -s /etc/shadow d/link; mkfifo d/pipe; touch -d @1000000000 d/f",
    );
    let file = home.ok(&["export", &id, "d/f", "--output", "f"]);
    assert_eq!(
        (
            &file["artifact_type"],
            &file["workspace_path"],
            &file["output_path"]
        ),
        (&json!("file"), &json!("/workspace/d/f"), &json!(out("f")))
    );
    assert_eq!(mode(&out("f")), 0o751, "set-uid is dropped");
    assert_eq!(fs::metadata(out("f")).unwrap().mtime(), 1_000_000_000);

    let dir = home.ok(&["export", &id, "d", "--output", "dir"]);
    assert_eq!(dir["artifact_type"], "directory");
    assert_eq!(dir["skipped"][0]["reason"], "fifo", "{dir:#}");
    assert_eq!(mode(&out("dir")), 0o777, "set-gid and sticky are dropped");
    assert_eq!(names(&out("dir")), ["e", "f", "link"]);
    assert_eq!(fs::read_link(out("dir/link")).unwrap(), Path::new("/etc/shadow"));

    let link = home.ok(&["export", &id, "d/link", "--output", "link"]);
    assert_eq!(link["artifact_type"], "symlink");
    assert_eq!(fs::read_link(out("link")).unwrap(), Path::new("/etc/shadow"));

    let pipe = home.refused(&["export", &id, "d/pipe", "--output", "pipe"], "wrong-file-type");
    assert_eq!(pipe["message"], "`/workspace/d/pipe` is a fifo");
    home.refused(
        &["export", &id, "missing", "--output", "missing"],
        "path-not-found",
    );
    assert!(!out("pipe").exists() && !out("missing").exists());
    let told = home.pyro(&["export", &id, "d", "--output", "again"]);
    assert!(told.stderr.contains("warning: skipped "), "{}", told.stderr);
    assert!(told.text().starts_with("/workspace/d is in "), "{}", told.text());
}

#[test]
fn a_target_that_is_there_is_replaced_only_by_force_and_whole() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "mkdir d; echo new >d/f; echo new >f");
    let out = |name: &str| -> PathBuf { home.home().path().join(name) };
    write(&out("target/old"), "old\n", 0o644);
    write(&out("precious"), "precious\n", 0o644);
    symlink("precious", out("link")).unwrap();
    symlink("nowhere", out("dangling")).unwrap();
    let before = names(home.home().path());
    for target in ["target", "link", "dangling", "precious"] {
        let (status, _) = home.json(&["export", &id, "f", "--output", target]);
        assert_eq!(status, 125, "{target}");
        let error = home.refused(&["export", &id, "d", "--output", target], "output-exists");
        assert!(error["hint"].as_str().unwrap().contains("--force"), "{error:#}");
    }
    home.refused(
        &["export", &id, "missing", "--output", "target", "--force"],
        "path-not-found",
    );
    assert_eq!(names(&out("target")), ["old"]);
    assert_eq!(names(home.home().path()), before, "nothing partial is left");

    home.ok(&["export", &id, "d", "--output", "target", "--force"]);
    assert_eq!(names(&out("target")), ["f"]);
    for target in ["link", "dangling"] {
        home.ok(&["export", &id, "f", "--output", target, "--force"]);
        assert!(fs::symlink_metadata(out(target)).unwrap().is_file(), "{target}");
        assert_eq!(fs::read_to_string(out(target)).unwrap(), "new\n");
    }
    assert_eq!(fs::read_to_string(out("precious")).unwrap(), "precious\n");
    assert!(!out("nowhere").exists());
    assert_eq!(names(home.home().path()), before, "nothing partial is left");
}

#[test]
fn changes_come_out_alone_or_as_a_patch() {
    let home = Workspaces::new();
    let id = changed(&home);
    let out = |name: &str| home.home().path().join(name);
    let exported = home.ok(&["export", &id, "--changes", "--output", "changes"]);
    assert_eq!(exported["artifact_type"], "directory");
    let mut deleted: Vec<&str> = exported["deleted_paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap())
        .collect();
    deleted.sort_unstable();
    assert_eq!(deleted, ["dir/moved", "gone"]);
    let paths: Vec<String> = as_git_sees(&out("changes"))
        .into_iter()
        .map(|(path, ..)| String::from_utf8(path).unwrap())
        .collect();
    assert_eq!(paths, ["deep/er/f", "deep/link", "dir/new", "edited"]);

    let exported = home.ok(&["export", &id, "--as-patch", "--output", "changes.patch"]);
    assert_eq!(exported["artifact_type"], "patch");
    let diff = home.pyro(&["diff", &id, "--binary"]);
    assert_eq!(fs::read(out("changes.patch")).unwrap(), diff.stdout);
    home.ok(&["export", &id, "--output", "whole"]);
    if git(&out("seed"), &["apply", "../changes.patch"]).is_some() {
        assert_eq!(as_git_sees(&out("seed")), as_git_sees(&out("whole")));
    }

    let summary = &home.ok(&["diff", &id])["summary"];
    let of = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(
        (
            of("added"),
            of("modified"),
            of("deleted"),
            of("renamed"),
            of("total")
        ),
        (2, 1, 1, 1, 5),
        "{summary:#}"
    );
    let below = home.ok(&["diff", &id, "--path", "deep"]);
    assert_eq!(below["summary"]["total"], 2);
    home.refused(&["diff", &id, "--from", "before"], "item-not-found");
    let error = home.refused(
        &["export", &id, "--changes", "--from", "before", "--output", "none"],
        "item-not-found",
    );
    assert_eq!(error["details"]["kind"], "snapshot");
    assert_eq!(
        home.ok(&["diff", &id, "--from", "baseline", "--stat"])["patch"],
        ""
    );
}

#[test]
fn a_patch_that_does_not_fit_is_told_hunk_by_hunk_and_changes_nothing() {
    let home = Workspaces::new();
    let id = changed(&home);
    let patch = "--- a/same\n+++ b/same\n@@ -1,2 +1,2 @@\n same\n-line\n+other\n\
                 --- a/edited\n+++ b/edited\n@@ -1,2 +1,2 @@\n edited\n-lime\n+other\n\
                 --- a/missing\n+++ b/missing\n@@ -1 +1 @@\n-x\n+y\n";
    write(&home.home().path().join("bad.patch"), patch, 0o644);
    let words = ["patch", "apply", &id, "--patch-file", "bad.patch"];
    let told = home.pyro(&words);
    assert_eq!((told.status, told.text()), (1, ""), "{}", told.stderr);
    let lines: Vec<&str> = told.stderr.lines().collect();
    assert!(lines[0].starts_with("edited, hunk 1: "), "{}", told.stderr);
    assert!(told.stderr.contains(" | edited\n"), "{}", told.stderr);
    assert!(told.stderr.contains("\nmissing"), "{}", told.stderr);
    assert!(told.stderr.contains("\nerror: ") && told.stderr.contains("\nhint: "));
    let error = home.refused(&words, "patch-failed");
    assert_eq!(
        error["details"]["hunks"].as_array().map(Vec::len),
        Some(2),
        "{error:#}"
    );
    assert_eq!(
        home.sh(&id, "grep -c other same edited; true"),
        "same:0\nedited:0\n"
    );

    let malformed = "--- a/same\n+++ b/same\n@@ -1,3 +1,3 @@\n same\n-line\n";
    let (status, object): (i32, Value) = home.json(&["patch", "apply", &id, "--patch", malformed]);
    assert_eq!((status, &object["error"]["code"]), (2, &json!("patch-invalid")));
    let leaving = "--- a/../x\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n";
    assert_eq!(home.json(&["patch", "apply", &id, "--patch", leaving]).0, 2);
}

#[test]
fn what_a_command_changed_is_told_beside_its_output() {
    let home = Workspaces::new();
    let id = changed(&home);
    let words = [
        "exec",
        &id,
        "--diff",
        "--",
        "echo out; echo err >&2; echo y >>same; rm deep/er/f",
    ];
    let told = home.pyro(&words);
    assert_eq!((told.status, told.text()), (0, "out\n"));
    let expected = "err\n deep/er/f | 1 -\n same      | 1 +\n 2 files changed, 1 insertion(+), 1 deletion(-)\nworkspace ";
    assert!(told.stderr.starts_with(expected), "{}", told.stderr);
    let (status, object) = home.json(&["exec", &id, "--diff", "--", "echo z >>same; exit 4"]);
    assert_eq!((status, &object["diff"]["summary"]["total"]), (4, &json!(1)));
    assert!(
        object["diff"]["patch"].as_str().unwrap().contains("\n+z\n"),
        "{object:#}"
    );
    assert_eq!(home.ok(&["exec", &id, "--", "true"])["diff"], Value::Null);
}
