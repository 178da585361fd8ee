//! Command lines that make no sense: what people and programs are told, and the exit status.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::harness::{Home, assert_snapshot, ended};

const CASES: &[&[&str]] = &[
    &["rnu"],
    &["service", "list"],
    &["env", "lst"],
    &["env", "list", "extra"],
    &["run", "debian:12", "git", "--version"],
    &["run", "--mem-mib", "512", "debian:12", "echo", "it's", "a b"],
    &["run", "git", "--version"],
    &["run", "debian:12"],
    &["run", "debian:12", "--"],
    &["run"],
    &["run", "--", ""],
    &["run", "--timeout-second", "5", "--", "true"],
    &["run", "--timeout-seconds", "0", "--", "true"],
    &["run", "--timeout-seconds", "soon", "--", "true"],
    &["run", "--mem-mib", "64", "--", "true"],
    &["run", "--mem-mib=-1", "--", "true"],
    &["run", "--vcpu-count", "33", "--", "true"],
    &["run", "--disk-gib", "99999999999999999999", "--", "true"],
    &["run", "--ttl-seconds", "59", "--", "true"],
    &["run", "--include-ignored", "--", "true"],
    &["run", "--export", "out", "--", "true"],
    &["run", "--export", "=out", "--", "true"],
    &["run", "--seed-path", "-", "--", "true"],
    &["run", "--isolation", "hardwere", "--", "true"],
    &["run", "--isolation", "host", "--", "true"],
    &["run", "--isolation"],
    &["run", "--env", "1A=secret", "--", "true"],
    &["run", "--env", "A", "--", "true"],
    &["run", "--network", "--", "true"],
    &["run", "--cwd", "/a", "--cwd", "/b", "--", "true"],
    &["workspace", "fiel", "list", "alpha"],
    &["workspace", "file", "raed", "alpha", "a"],
    &["workspace", "sync", "pull", "alpha"],
    &["workspace", "exec"],
    &["workspace", "exec", "alpha"],
    &["workspace", "exec", "alpha", "git", "status"],
    &["workspace", "exec", "alpha", "--dif", "--", "true"],
    &["workspace", "create", "--include-ignored"],
    &["workspace", "create", "--seed-path", "-"],
    &["workspace", "create", "--seed-path", ""],
    &["workspace", "update", "alpha", "--name", "b", "--clear-name"],
    &["workspace", "reset", "alpha", "--disk-only"],
    &["workspace", "file", "list"],
    &["workspace", "file", "list", "alpha", ""],
    &["workspace", "file", "list", "alpha", "--limit", "0"],
    &["workspace", "file", "list", "alpha", "--recursiv"],
    &["workspace", "file", "read", "alpha"],
    &["workspace", "file", "read", "alpha", "a", "--max-bytes", "0"],
    &[
        "workspace",
        "file",
        "read",
        "alpha",
        "a",
        "--max-bytes",
        "1048577",
    ],
    &["workspace", "file", "read", "alpha", "a", "--offset", "-1"],
    &["workspace", "file", "read", "alpha", "a", "--lines", "5"],
    &["workspace", "file", "read", "alpha", "a", "--lines", "7:3"],
    &["workspace", "file", "read", "alpha", "a", "--lines", "0:3"],
    &["workspace", "file", "read", "alpha", "a", "--lines", "-1:3"],
    &[
        "workspace",
        "file",
        "read",
        "alpha",
        "a",
        "--lines",
        "1:2",
        "--offset",
        "3",
    ],
    &["workspace", "file", "write", "alpha", "a"],
    &[
        "workspace",
        "file",
        "write",
        "alpha",
        "a",
        "--text",
        "x",
        "--text-file",
        "y",
    ],
    &["workspace", "file", "write", "alpha", "a", "--text"],
    &["workspace", "diff", "alpha", "src"],
    &["workspace", "export", "alpha", "out dir", "here"],
    &["workspace", "diff", "alpha", "--path", ""],
    &["workspace", "diff", "alpha", "--exit-cod"],
    &["workspace", "patch", "apply", "alpha"],
    &[
        "workspace",
        "patch",
        "apply",
        "alpha",
        "--patch",
        "x",
        "--patch-file",
        "-",
    ],
    &[
        "workspace",
        "patch",
        "apply",
        "alpha",
        "--patch",
        "x",
        "--patch",
        "y",
    ],
    &["workspace", "sync", "push", "alpha"],
    &["workspace", "sync", "push", "alpha", "-"],
    &["workspace", "sync", "push", "alpha", ".", "--dest", ""],
    &["workspace", "export", "alpha"],
    &[
        "workspace",
        "export",
        "alpha",
        "--output",
        "a",
        "--changes",
        "--as-patch",
    ],
    &["workspace", "export", "alpha", "--output", ""],
    &["env", "pull"],
    &["env", "pull", "a", "b"],
    &["mcp", "serve", "--profile", "workspace-all"],
    &["mcp", "serve", "--allow-host-path", "/nowhere"],
    &["mcp", "serve", "--transport", "tcp"],
    &["mcp", "serve", "--listen", "127.0.0.1:0"],
    &["mcp", "serve", "--transport", "http", "--listen", "0.0.0.0:0"],
    &["doctor", "--platform", "plan9"],
    &["prune"],
    &["prune", "--yes", "--older-than", "soon"],
    &["prune", "--yes", "--older-than", "-1d"],
    &["prune", "debian:12"],
    &["df", "--all"],
    &["prepare", "--isolation", "host"],
    &["--color", "sometimes", "doctor"],
];

#[test]
fn every_mistake_has_a_sentence_and_a_next_step() {
    let home = Home::new();
    let mut all = String::new();
    for words in CASES {
        let ended = home.pyro(words);
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (2, ""),
            "{words:?}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains("\nhint: "), "{words:?}: {}", ended.stderr);
        all.push_str(&format!("$ pyro {}\n{}\n", words.join(" "), ended.stderr));
    }
    let memory = format!(
        "{}, got 64",
        pyro::Pyro::open(pyro::Settings::new("/", "/")).host_memory_mib()
    );
    let all = all.replace(&memory, "HOST, got 64");
    let memory = memory.trim_end_matches(", got 64");
    assert_snapshot(
        "usage.txt",
        &all.replace(&format!("128 to {memory}"), "128 to HOST"),
    );
    assert!(home.entries().is_empty(), "a refusal left {:?}", home.entries());
}

#[test]
fn programs_get_the_same_as_an_object() {
    let home = Home::new();
    for words in CASES {
        let human = home.pyro(words);
        let mut words = words.to_vec();
        words.insert(0, "--json");
        let ended = home.pyro(&words);
        assert_eq!((ended.status, ended.stderr.as_str()), (2, ""), "{words:?}");
        let object: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert!(
            ended
                .stdout
                .starts_with("{\n  \"ok\": false,\n  \"error\": {\n    \"code\": "),
            "{}",
            ended.stdout
        );
        assert!(ended.stdout.ends_with("\n}\n"));
        assert_eq!(object["ok"], false);
        let error = object["error"].as_object().unwrap();
        let fields: Vec<_> = error.keys().map(String::as_str).collect();
        assert_eq!(fields, ["code", "details", "hint", "message"]);
        assert!(["invalid-argument", "unknown-argument"].contains(&error["code"].as_str().unwrap()));
        let message = error["message"].as_str().unwrap();
        assert!(
            human.stderr.starts_with(&format!("error: {message}\n")),
            "{}",
            human.stderr
        );
    }
}

#[test]
fn codes_tell_unknown_arguments_from_invalid_ones() {
    let home = Home::new();
    let code = |words: &[&str]| {
        let ended = home.pyro(words);
        let object: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        object["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(&["--json", "rnu"]), "unknown-argument");
    assert_eq!(
        code(&["run", "--json", "--network", "--", "x"]),
        "unknown-argument"
    );
    assert_eq!(code(&["run", "--json", "debian:12", "ls"]), "invalid-argument");
    assert_eq!(
        code(&["run", "--json", "--mem-mib", "x", "--", "x"]),
        "invalid-argument"
    );
    assert_eq!(code(&["--json"]), "invalid-argument");
    assert_eq!(code(&["env", "--json"]), "invalid-argument");
}

#[test]
fn json_after_the_separator_belongs_to_the_command() {
    let home = Home::new();
    let ended = home.pyro(&["run", "--mem-mib", "x", "--", "ls", "--json"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.starts_with("error: "));
}

#[test]
fn without_a_command_the_help_says_which_there_are() {
    let home = Home::new();
    for words in [
        &[][..],
        &["env"],
        &["mcp"],
        &["workspace"],
        &["workspace", "file"],
        &["workspace", "patch"],
        &["workspace", "sync"],
    ] {
        let ended = home.pyro(words);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{words:?}");
        assert!(ended.stderr.contains("Usage: pyro"), "{}", ended.stderr);
    }
}

#[test]
fn words_that_are_no_text_are_refused_where_text_is_needed() {
    let home = Home::new();
    let word = OsStr::from_bytes(b"deb\xff");
    let words = [OsStr::new("env"), OsStr::new("pull"), word];
    let ended = ended(home.command(words).output().unwrap());
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("UTF-8"), "{}", ended.stderr);
}

#[test]
fn settings_that_cannot_be_used_name_their_variable() {
    let home = Home::new();
    let told = |variable: &str, value: &str| {
        let mut command = home.command(["env", "list"]);
        let ended = ended(command.env(variable, value).output().unwrap());
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{variable}");
        assert!(ended.stderr.contains(variable), "{}", ended.stderr);
    };
    told("PYRO_ISOLATION", "strong");
    told("PYRO_OUTPUT_LIMIT_MIB", "0");
    told("PYRO_LOG", "no=such=level");
    let homeless = home.command(["env", "list"]).env_remove("HOME").output().unwrap();
    assert_eq!(ended(homeless).status, 2);
}
