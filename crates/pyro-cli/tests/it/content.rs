//! The commands for a workspace's content, where what they are given is refused before there is any workspace.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Ended, Home, ended};

/// The error of a command that is refused: its exit status, code and hint.
fn refused<S: AsRef<OsStr> + Copy>(home: &Home, words: &[S]) -> (i32, String, String) {
    let mut command = home.command(["--json", "workspace"]);
    told(&ended(command.args(words).output().unwrap()))
}

fn told(ended: &Ended) -> (i32, String, String) {
    assert_eq!(ended.stderr, "");
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |name: &str| object["error"][name].as_str().unwrap_or_default().to_owned();
    (ended.status, text("code"), text("hint"))
}

#[test]
fn a_path_that_leaves_the_tree_is_refused_by_every_command() {
    let home = Home::new();
    for path in ["..", "../x", "a/../../b", "/etc/passwd", "/", "/workspacex"] {
        for words in [
            &["file", "list", "alpha", path][..],
            &["file", "read", "alpha", path],
            &["file", "write", "alpha", path, "--text", "x"],
            &["diff", "alpha", "--path", path],
            &["sync", "push", "alpha", ".", "--dest", path],
            &["export", "alpha", path, "--output", "out"],
        ] {
            let (status, code, hint) = refused(&home, words);
            assert_eq!((status, code.as_str()), (2, "path-refused"), "{words:?}");
            assert!(hint.contains("workspace exec"), "{words:?}: {hint}");
        }
    }
    assert!(home.entries().is_empty(), "a refusal left {:?}", home.entries());
}

#[test]
fn labels_that_no_workspace_can_have_are_not_looked_for() {
    let home = Home::new();
    for label in ["x y", "x=", ".x", "x=a\nb", "=y"] {
        let (status, code, _) = refused(&home, &["list", "--label", label]);
        assert_eq!((status, code.as_str()), (2, "invalid-argument"), "{label}");
    }
    let mut list = home.command(["--json", "workspace", "list", "--label", "x.y=a b=c"]);
    let listed = ended(list.output().unwrap());
    let object: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((listed.status, object["count"].as_u64()), (0, Some(0)));
}

#[test]
fn a_path_need_not_be_text() {
    let home = Home::new();
    let path = OsStr::from_bytes(b"caf\xe9");
    let words = ["file", "read", "alpha"].map(OsStr::new);
    let (status, code, _) = refused(&home, &[&words[..], &[path]].concat());
    assert_eq!((status, code.as_str()), (125, "workspace-not-found"));
}

#[test]
fn without_the_workspace_nothing_can_be_done() {
    let home = Home::new();
    for words in [
        &["file", "list", "alpha"][..],
        &["file", "read", "alpha", "-", "--lines", "1:"],
        &["file", "write", "alpha", "a", "--text", "-x"],
        &["diff", "alpha", "--stat"],
        &["patch", "apply", "alpha", "--patch", "--- a/a"],
        &["sync", "push", "alpha", "."],
        &["export", "alpha", "--output", "out"],
        &["reset", "alpha", "--snapshot", "before"],
        &["diff", "alpha", "--from", "before"],
    ] {
        let (status, code, hint) = refused(&home, words);
        assert_eq!(
            (status, code.as_str(), hint.as_str()),
            (
                125,
                "workspace-not-found",
                "there is none; `pyro workspace create` makes one"
            ),
            "{words:?}"
        );
    }
    for id in ["../x", "/etc", "a:b"] {
        let (status, code, _) = refused(&home, &["file", "read", id, "a"]);
        assert_eq!((status, code.as_str()), (2, "invalid-id"), "{id}");
    }
    assert!(home.entries().is_empty(), "a refusal left {:?}", home.entries());
}

#[test]
fn what_is_over_the_limit_is_refused_without_reading_it_all() {
    let home = Home::new();
    let large = home.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let large = large.to_str().unwrap();
    for (words, next) in [
        (
            &["file", "write", "alpha", "a", "--text-file", large][..],
            "sync push",
        ),
        (&["patch", "apply", "alpha", "--patch-file", large], "split it"),
        (
            &["file", "write", "alpha", "a", "--text-file", "/dev/zero"],
            "sync push",
        ),
    ] {
        let (status, code, hint) = refused(&home, words);
        assert_eq!((status, code.as_str()), (2, "too-large"), "{words:?}");
        assert!(hint.contains(next), "{words:?}: {hint}");
    }
}

#[test]
fn standard_input_without_end_is_too_large() {
    let home = Home::new();
    for words in [
        ["file", "write", "alpha", "a", "--text-file", "-"],
        ["patch", "apply", "alpha", "--dry-run", "--patch-file", "-"],
    ] {
        let mut child = home
            .command(["--json", "workspace"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let chunk = vec![b'\n'; 1 << 20];
        // It reads one byte too many and then goes away.
        let written = (0..64).take_while(|_| stdin.write_all(&chunk).is_ok()).count();
        assert!((8..16).contains(&written), "{written} MiB were taken");
        let (status, code, _) = told(&ended(child.wait_with_output().unwrap()));
        assert_eq!((status, code.as_str()), (2, "too-large"), "{words:?}");
    }
}

#[test]
fn a_file_of_the_host_that_cannot_be_read_is_named() {
    let home = Home::new();
    for path in ["missing", "."] {
        let ended = home.pyro(&["workspace", "file", "write", "alpha", "a", "--text-file", path]);
        assert_eq!((ended.status, ended.stdout.as_str()), (125, ""), "{path}");
        let expected = format!("error: cannot read `{path}`: ");
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
        assert!(ended.stderr.contains("\nhint: "), "{}", ended.stderr);
    }
}
