//! What a one-shot VM begins with, and what is taken out of it.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::tree::{as_git_sees, git, make_fifo, make_work_tree, write};
use crate::process::all_gone;
use crate::support::{Home, names};

fn make_seed(home: &Home) -> PathBuf {
    let seed = home.path().join("seed");
    write(&seed.join("message.txt"), "broken\n", 0o640);
    write(
        &seed.join("fix.sh"),
        "#!/bin/sh\necho fixed >message.txt\n",
        0o755,
    );
    symlink("/etc/shadow", seed.join("link")).unwrap();
    make_fifo(&seed.join("pipe"));
    seed
}

/// The error of a run that is refused before anything runs.
fn refused(home: &Home, options: &[&str], code: &str) -> Value {
    let ended = home.run(&[&["--json"], options].concat(), &["echo ran"]);
    let object = ended.json();
    let error = &object["error"];
    assert_eq!(error["code"], code, "{options:?}: {object:#}");
    assert!(error["hint"].is_string(), "{object:#}");
    assert_eq!(error["details"]["exit_code"], Value::Null, "{object:#}");
    assert_ne!(ended.status, 0);
    error.clone()
}

#[test]
fn a_seed_is_worked_on_and_what_came_of_it_is_brought_out() {
    let home = Home::new();
    make_seed(&home);
    let options = [
        "--seed-path",
        "seed",
        "--diff",
        "--export",
        "message.txt=fixed.txt",
        "--export",
        "/workspace=all=of it",
    ];
    let (status, result) = home.json(&options, &["pwd; ./fix.sh; readlink link; test -e pipe"]);
    assert_eq!(status, 1, "the command's own: {result:#}");
    assert_eq!(result["stdout"], "/workspace\n/etc/shadow\n");
    assert_eq!(result["skipped"], json!([{"path": "pipe", "reason": "fifo"}]));

    let diff = &result["diff"];
    assert_eq!(
        (&diff["changed"], &diff["from_snapshot"], &diff["workspace_id"]),
        (&json!(true), &json!("baseline"), &result["vm_id"])
    );
    assert_eq!(diff["summary"]["total"], 1);
    let patch = diff["patch"].as_str().unwrap();
    assert!(patch.contains("\n-broken\n+fixed\n"), "{patch}");

    let exports = result["exports"].as_array().unwrap();
    let out = |name: &str| home.path().join(name);
    assert_eq!(exports[0]["output_path"], json!(out("fixed.txt")));
    assert_eq!(exports[0]["artifact_type"], "file");
    assert_eq!(fs::read_to_string(out("fixed.txt")).unwrap(), "fixed\n");
    assert_eq!(fs::metadata(out("fixed.txt")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(exports[1]["workspace_path"], "/workspace");
    assert_eq!(names(&out("all=of it")), ["fix.sh", "link", "message.txt"]);
    assert_eq!(
        fs::read_link(out("all=of it/link")).unwrap(),
        Path::new("/etc/shadow")
    );
    home.assert_nothing_left();
    home.assert_nothing_reserved();
}

#[test]
fn a_vm_with_a_seed_starts_from_the_template_of_those_without() {
    let home = Home::new();
    make_seed(&home);
    let kind = |options: &[&str]| home.json(options, &["true"]).1["metadata"]["start_kind"].clone();
    kind(&[]);
    assert_eq!(kind(&[]), "restored");
    assert_eq!(kind(&["--seed-path", "seed"]), "restored");
}

#[test]
fn git_applies_the_patch_and_what_it_ignores_stays_behind() {
    let home = Home::new();
    let seed = make_seed(&home);
    fs::remove_file(seed.join("pipe")).unwrap();
    write(&seed.join(".gitignore"), "built\n", 0o644);
    write(&seed.join("built/old"), "old\n", 0o644);
    make_work_tree(&seed);
    let all = ["--seed-path", "seed", "--include-ignored"];
    assert_eq!(home.json(&all, &["cat built/old"]).1["stdout"], "old\n");
    let script =
        "test ! -e built/old && ./fix.sh && mkdir built && echo x >built/new && rm link && cp fix.sh copied";
    let (status, result) = home.json(
        &["--seed-path", "seed", "--diff", "--export", ".=tree"],
        &[script],
    );
    assert_eq!(status, 0, "{result:#}");
    assert_eq!(result["diff"]["ignored"]["count"], 2, "{result:#}");
    let patch = home.path().join("patch");
    fs::write(&patch, result["diff"]["patch"].as_str().unwrap()).unwrap();
    git(&seed, &["apply", patch.to_str().unwrap()]);
    let tree = home.path().join("tree");
    assert_eq!(
        names(&tree.join("built")),
        ["new"],
        "what is exported is all that is there"
    );
    for dir in [&seed, &tree] {
        fs::remove_dir_all(dir.join("built")).unwrap();
    }
    assert_eq!(as_git_sees(&seed), as_git_sees(&tree));
}

#[test]
fn an_archive_is_a_seed_too_and_standard_input_is_the_commands() {
    let home = Home::new();
    make_seed(&home);
    let packed = std::process::Command::new("tar")
        .args(["-C", "seed", "--exclude=pipe", "-czf", "seed.tgz", "."])
        .current_dir(home.path())
        .status();
    assert!(packed.unwrap().success());
    let options = ["-i", "--seed-path", "seed.tgz", "--export", "read=read", "--diff"];
    let mut running = home.start(&options, &["cat message.txt - >read"]);
    std::io::Write::write_all(&mut running.stdin(), b"from here\n").unwrap();
    let ended = running.finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(
        fs::read_to_string(home.path().join("read")).unwrap(),
        "broken\nfrom here\n"
    );
    assert!(
        ended.stderr.contains("\n 1 file changed, 2 insertions(+)\n"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("/workspace/read is in "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.text(), "", "standard output is the command's own");
}

#[test]
fn without_a_seed_the_tree_begins_empty_and_the_command_runs_where_the_image_says() {
    let home = Home::new();
    let options = ["--diff", "--export", "out=out"];
    let (status, result) = home.json(&options, &["pwd; ls -A /workspace; echo made >/workspace/out"]);
    assert_eq!(status, 0, "{result:#}");
    assert_eq!(result["stdout"], "/\n");
    assert_eq!(result["skipped"], Value::Null);
    assert_eq!(result["diff"]["summary"]["added"], 1);
    assert_eq!(fs::read_to_string(home.path().join("out")).unwrap(), "made\n");

    let (_, plain) = home.json(&[], &["test ! -e /workspace"]);
    for field in ["diff", "exports", "skipped"] {
        assert_eq!(plain[field], Value::Null, "{field}");
    }
    let (_, unchanged) = home.json(&["--diff"], &["true"]);
    assert_eq!(unchanged["diff"]["changed"], false);
}

#[test]
fn a_command_that_fails_or_is_out_of_time_is_exported_of_and_one_that_is_given_up_is_not() {
    let home = Home::new();
    let out = |name: &str| home.path().join(name);
    let (status, result) = home.json(
        &["--export", "f=late", "--timeout-seconds", "15"],
        &["echo x >/workspace/f; sleep 600"],
    );
    assert_eq!(
        (status, &result["outcome"]),
        (124, &json!("timed_out")),
        "{result:#}"
    );
    assert_eq!(fs::read_to_string(out("late")).unwrap(), "x\n");

    let script = "trap '' INT; echo x >/workspace/f; echo ready; while :; do sleep 0.1; done";
    let mut running = home.start(&["--export", "f=given-up", "--diff"], &["bash", "-c", script]);
    running.wait_for("ready");
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("warning: `/workspace/f` was not exported to "),
        "{}",
        ended.stderr
    );
    assert!(!out("given-up").exists());

    // It ends itself in order, as one that is to be stopped by Ctrl-C does.
    let script = "trap 'echo x >/workspace/f; exit 3' INT; echo ready; while :; do sleep 0.1; done";
    let mut running = home.start(&["--export", "f=in-order"], &["bash", "-c", script]);
    running.wait_for("ready");
    running.signal(Signal::INT);
    assert_eq!(running.finish().status, 3);
    assert_eq!(fs::read_to_string(out("in-order")).unwrap(), "x\n");
    home.assert_nothing_reserved();
}

#[test]
fn an_export_that_fails_says_that_the_command_ran_and_spares_the_others() {
    let home = Home::new();
    let options = [
        "--diff",
        "--export",
        "missing=a",
        "--export",
        "pipe=b",
        "--export",
        "through/passwd=c",
        "--export",
        "there=d",
    ];
    let script = "cd /workspace; mkfifo pipe; ln -s /etc through; echo out; echo x >there; exit 4";
    let ended = home.run(&[&["--json"], &options[..]].concat(), &[script]);
    let object = ended.json();
    let error = &object["error"];
    assert_eq!(
        (ended.status, &error["code"]),
        (125, &json!("path-not-found")),
        "{object:#}"
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message
            .starts_with("the command ended with exit code 4, but `/workspace/missing` was not exported: "),
        "{message}"
    );
    let details = &error["details"];
    assert_eq!(
        (&details["exit_code"], &details["outcome"]),
        (&json!(4), &json!("exited"))
    );
    let failed = details["failed_exports"].as_array().unwrap();
    let codes: Vec<&Value> = failed.iter().map(|one| &one["error"]["code"]).collect();
    assert_eq!(
        codes,
        ["path-not-found", "wrong-file-type", "path-refused"],
        "{object:#}"
    );
    // Nothing of what the command did is lost for it.
    let result = &details["result"];
    assert_eq!(result["stdout"], "out\n");
    assert_eq!(result["diff"]["summary"]["added"], 2, "{object:#}");
    assert_eq!(result["cleanup"]["deleted"], true);
    assert_eq!(result["exports"].as_array().unwrap().len(), 1);
    assert_eq!(fs::read_to_string(home.path().join("d")).unwrap(), "x\n");
    for name in ["a", "b", "c"] {
        assert!(!home.path().join(name).exists(), "{name}");
    }

    let told = home.run(&["--export", "missing=a"], &["echo out; exit 4"]);
    assert_eq!((told.status, told.text()), (125, "out\n"));
    assert!(
        told.stderr
            .starts_with("error: the command ended with exit code 4"),
        "{}",
        told.stderr
    );
    home.assert_nothing_reserved();
}

#[test]
fn a_vm_that_goes_away_exports_nothing() {
    let home = Home::new();
    let mut running = home.start(
        &["--export", "f=f"],
        &["echo x >/workspace/f; echo ready; sleep 600"],
    );
    running.wait_for("ready");
    let vm = running.descendants();
    for process in &vm {
        kill_process(Pid::from_raw(process.pid()).unwrap(), Signal::KILL).unwrap();
    }
    let ended = running.finish();
    assert_eq!(ended.status, 125, "{}", ended.stderr);
    assert!(!home.path().join("f").exists());
    assert!(all_gone(&vm, Duration::from_secs(5)));
    home.assert_nothing_reserved();
}

#[test]
fn what_cannot_be_used_is_refused_before_anything_runs() {
    let home = Home::new();
    make_seed(&home);
    write(&home.path().join("there"), "precious\n", 0o644);
    symlink("nowhere", home.path().join("dangling")).unwrap();
    write(&home.path().join("text"), "x".repeat(2000), 0o644);
    for (options, code) in [
        (&["--seed-path", "no such"][..], "host-io"),
        (&["--seed-path", "text"], "archive-invalid"),
        (&["--seed-path", "/dev/null"], "invalid-argument"),
        (&["--seed-path", "-"], "invalid-argument"),
        (&["--include-ignored"], "invalid-argument"),
        (&["--export", "f=there"], "output-exists"),
        (&["--export", "f=dangling"], "output-exists"),
        (&["--export", "f=no/such/f"], "host-io"),
        (&["--export", "f=.."], "invalid-argument"),
        (&["--export", "a=new", "--export", "b=./new"], "invalid-argument"),
        (&["--export", "../f=new"], "path-refused"),
        (&["--export", "/etc/passwd=new"], "path-refused"),
        (&["--export", "f"], "invalid-argument"),
        (&["--export", "=new"], "invalid-argument"),
        (&["--export", "f="], "invalid-argument"),
        (&["--export", ""], "invalid-argument"),
    ] {
        refused(&home, options, code);
    }
    let exists = refused(&home, &["--export", "f=there"], "output-exists");
    assert!(
        !exists["hint"].as_str().unwrap().contains("--force"),
        "{exists:#}"
    );
    assert_eq!(
        fs::read_to_string(home.path().join("there")).unwrap(),
        "precious\n"
    );
    assert!(!home.path().join("new").exists());
}

#[test]
fn any_name_can_be_exported_to_any_name() {
    use std::os::unix::ffi::OsStrExt;

    let home = Home::new();
    let mut command = home.pyro([
        OsStr::new("run"),
        OsStr::new("--timeout-seconds"),
        OsStr::new("600"),
        OsStr::new("--export"),
        OsStr::from_bytes(b"caf\xe9 =caf\xe9=\n"),
        OsStr::new("--"),
        OsStr::new("printf x >\"/workspace/$(printf 'caf\\351 ')\""),
    ]);
    let ended = crate::support::Ended::from(command.output().unwrap());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(
        fs::read(home.path().join(OsStr::from_bytes(b"caf\xe9=\n"))).unwrap(),
        b"x"
    );
}
