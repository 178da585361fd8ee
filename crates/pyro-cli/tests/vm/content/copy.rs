//! One file, directory or link copied into a workspace and out of it.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::tree::{make_fifo, write};
use crate::support::names;
use crate::workspace::Workspaces;

/// Sets the modification time of something on the host.
fn set_modified(path: &Path, since_epoch: Duration) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + since_epoch).unwrap();
}

#[test]
fn a_file_a_directory_and_a_link_are_copied_in_as_they_are() {
    let home = Workspaces::new();
    let dir = home.home().path().to_owned();
    let id = home.create(&["--name", "alpha"]);
    write(&dir.join("f"), "content\n", 0o750);
    set_modified(&dir.join("f"), Duration::from_millis(1_000_000_000_500));
    let copied = home.ok(&["cp", "f", "alpha:new/dir/g"]);
    let report = &copied["workspace_sync"];
    assert_eq!(
        (
            &report["mode"],
            &report["destination"],
            &report["entry_count"],
            &report["bytes_written"],
            &copied["dry_run"],
            &copied["workspace_id"],
        ),
        (
            &json!("file"),
            &json!("/workspace/new/dir/g"),
            &json!(1),
            &json!(8),
            &json!(false),
            &json!(id),
        ),
        "{copied:#}"
    );
    assert_eq!(
        home.sh("alpha", "cd new/dir; cat g; stat -c '%a %.1Y' g"),
        "content\n750 1000000000.5\n"
    );

    // A directory that is there, or is said to be one, gets it under its own name.
    home.ok(&["cp", "f", "alpha:"]);
    home.ok(&["cp", "f", "alpha:other/"]);
    home.ok(&["cp", "f", "alpha:new/dir"]);
    assert_eq!(
        home.sh("alpha", "ls f other/f new/dir/f"),
        "f\nnew/dir/f\nother/f\n"
    );

    symlink("/nowhere at all", dir.join("link")).unwrap();
    let copied = home.ok(&["cp", "link", "alpha:link"]);
    assert_eq!(copied["workspace_sync"]["mode"], "symlink");
    assert_eq!(home.sh("alpha", "readlink link"), "/nowhere at all\n");

    // An archive is a file like any other, and so is what Git ignores.
    for name in ["tree/.gitignore", "tree/sub/ignored.log", "tree/archive.tar"] {
        write(&dir.join(name), "*.log\n", 0o644);
    }
    fs::create_dir_all(dir.join("tree/.git")).unwrap();
    fs::create_dir_all(dir.join("tree/empty")).unwrap();
    write(&dir.join("tree/.git/HEAD"), "ref: refs/heads/main\n", 0o644);
    make_fifo(&dir.join("tree/pipe"));
    set_modified(&dir.join("tree"), Duration::from_secs(1_000_000_000));
    let shown = home.pyro(&["cp", "tree", "alpha:copy"]);
    assert_eq!(
        (shown.status, shown.stderr.as_str()),
        (0, "warning: skipped `pipe`: fifo\n")
    );
    assert!(
        shown
            .text()
            .ends_with("/tree is in /workspace/copy (directory, 8 entries, 39 B)\n"),
        "{}",
        shown.text()
    );
    assert_eq!(
        home.sh("alpha", "find copy | sort; stat -c %Y copy"),
        "copy\ncopy/.git\ncopy/.git/HEAD\ncopy/.gitignore\ncopy/archive.tar\ncopy/empty\ncopy/sub\n\
         copy/sub/ignored.log\n1000000000\n"
    );
}

#[test]
fn what_is_there_is_replaced_by_force_alone_and_in_one_step() {
    let home = Workspaces::new();
    let dir = home.home().path().to_owned();
    let id = home.create(&[]);
    let at = |path: &str| format!("{id}:{path}");
    write(&dir.join("f"), "new\n", 0o644);
    write(&dir.join("d/inner"), "new\n", 0o644);
    home.sh(
        &id,
        "echo old >f; mkdir -p d/.git d/sub; echo old | tee d/.git/HEAD d/sub/x; ln -s /etc/nothing dangling; ln -s /etc out",
    );
    for (source, target) in [("f", "f"), ("d/inner", "dangling"), ("d", ""), ("f", "f/")] {
        let words = ["cp", source, &at(target)];
        // A file cannot be a directory on the way.
        let code = if target == "f/" {
            "wrong-file-type"
        } else {
            "output-exists"
        };
        let (status, object) = home.json(&words);
        assert_eq!(status, 125, "{words:?}: {object:#}");
        if code == "output-exists" {
            let error = home.refused(&words, code);
            assert_eq!(error["hint"], "add `--force`");
        }
    }
    assert_eq!(
        home.sh(&id, "cat f; readlink dangling; cat d/sub/x"),
        "old\n/etc/nothing\nold\n"
    );

    for target in ["f", "dangling"] {
        home.ok(&["cp", "--force", "f", &at(target)]);
    }
    assert_eq!(
        home.sh(&id, "cat f dangling; ls /etc/nothing 2>&1 | wc -l"),
        "new\nnew\n1\n"
    );
    let copied = home.ok(&["cp", "--force", "d", &at("")]);
    assert_eq!(copied["workspace_sync"]["destination"], "/workspace/d");
    assert_eq!(copied["workspace_sync"]["deleted_count"], 4, "{copied:#}");
    assert_eq!(home.sh(&id, "find d | sort; cat d/inner"), "d\nd/inner\nnew\n");
    // A directory in the place of a file.
    home.ok(&["cp", "--force", "d", &at("f")]);
    assert_eq!(home.sh(&id, "cat f/inner"), "new\n");

    home.refused(&["cp", "f", &at("out/f")], "path-refused");
    home.refused(&["cp", "f", &at("../f")], "path-refused");
    home.refused(&["cp", "f", &at("/etc/f")], "path-refused");
    assert_eq!(
        home.sh(&id, "ls /etc/f 2>&1 | wc -l; ls -A | sort"),
        "1\nd\ndangling\nf\nout\n"
    );
}

#[test]
fn what_is_copied_out_is_what_an_export_brings() {
    let home = Workspaces::new();
    let dir = home.home().path().to_owned();
    let id = home.create(&["--name", "my work"]);
    home.sh(
        &id,
        "mkdir -p d/empty; echo x >d/f; chmod 750 d/f; touch -d @1000000000 d/f; ln -s /etc/shadow d/link; echo colon >a:b",
    );
    let copied = home.ok(&["cp", "my work:d/f", "g"]);
    assert_eq!(
        (&copied["artifact_type"], &copied["output_path"]),
        (&json!("file"), &json!(dir.join("g")))
    );
    assert_eq!(fs::read_to_string(dir.join("g")).unwrap(), "x\n");
    fs::create_dir(dir.join("into")).unwrap();
    home.ok(&["cp", "my work:d", "into"]);
    assert_eq!(names(&dir.join("into/d")), ["empty", "f", "link"]);
    let target = fs::read_link(dir.join("into/d/link")).unwrap();
    assert_eq!(target.to_str(), Some("/etc/shadow"));
    home.ok(&["cp", "my work:", "whole"]);
    assert_eq!(names(&dir.join("whole")), ["a:b", "d"]);

    home.refused(&["cp", "my work:d/f", "g"], "output-exists");
    home.refused(&["cp", "my work:d", "into"], "output-exists");
    home.refused(&["cp", "my work:missing", "g", "--force"], "path-not-found");
    home.refused(&["cp", "my work:d/f", "no such/dir/"], "host-io");
    assert_eq!(fs::read_to_string(dir.join("g")).unwrap(), "x\n");
    home.sh(&id, "echo y >d/f");
    let shown = home.pyro(&["cp", "--force", "my work:d/f", "g"]);
    let expected = format!(
        "/workspace/d/f is in {} (file, 1 entry, 2 B)\n",
        dir.join("g").display()
    );
    assert_eq!((shown.status, shown.text()), (0, expected.as_str()));
    assert_eq!(fs::read_to_string(dir.join("g")).unwrap(), "y\n");

    // Colons: behind the first one they belong to the path, and a path of the host has something before it.
    home.ok(&["cp", "my work:a:b", "./c:d"]);
    home.ok(&["cp", "./c:d", "my work:e:f"]);
    assert_eq!(home.sh(&id, "cat e:f"), "colon\n");
}

#[test]
fn one_side_is_in_a_workspace_and_the_other_is_there() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let there = format!("{id}:f");
    write(&home.home().path().join("f"), "x\n", 0o644);
    make_fifo(&home.home().path().join("pipe"));
    for words in [
        ["cp", "f", "g"],
        ["cp", &there, &there],
        ["cp", "-", &there],
        ["cp", &there, "-"],
    ] {
        let error = home.refused(&words, "invalid-argument");
        assert!(
            error["hint"].as_str().unwrap().contains("pyro workspace"),
            "{error:#}"
        );
        assert_eq!(home.json(&words).0, 2);
    }
    home.refused(&["cp", "f", "nobody:f"], "workspace-not-found");
    home.refused(&["cp", "f", "-x:f"], "unknown-argument");
    home.refused(&["cp", "f", "x\\y:f"], "invalid-id");
    home.refused(&["cp", "missing", &there], "host-io");
    home.refused(&["cp", "pipe", &there], "wrong-file-type");
    home.refused(&["cp", &there, "g"], "path-not-found");
    assert_eq!(home.sh(&id, "ls -A"), "");
}
