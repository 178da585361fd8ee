//! What pyro says about itself.

use crate::harness::{Home, assert_snapshot};

const COMMANDS: &[&str] = &[
    "",
    "run",
    "workspace",
    "workspace create",
    "workspace list",
    "workspace status",
    "workspace update",
    "workspace exec",
    "workspace logs",
    "workspace kill",
    "workspace file",
    "workspace file list",
    "workspace file read",
    "workspace file write",
    "workspace diff",
    "workspace patch",
    "workspace patch apply",
    "workspace sync",
    "workspace sync push",
    "workspace cp",
    "workspace export",
    "workspace stop",
    "workspace start",
    "workspace reset",
    "workspace delete",
    "env",
    "env list",
    "env pull",
    "env inspect",
    "env build",
    "env import",
    "env prune",
    "prepare",
    "demo",
    "demo ollama",
    "df",
    "prune",
    "doctor",
    "mcp",
    "mcp serve",
    "host",
    "host connect",
    "host print-config",
    "host doctor",
    "host repair",
    "tools",
    "tools export",
    "completions",
    "man",
];

#[test]
fn the_help_of_every_command_is_as_committed() {
    let home = Home::new();
    let mut all = String::new();
    for command in COMMANDS {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.push("--help");
        let ended = home.pyro(&words);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{command}");
        all.push_str(&format!("$ pyro {}\n{}\n", words.join(" "), ended.stdout));
    }
    assert_snapshot("help.txt", &all);
    assert!(home.entries().is_empty(), "help left {:?}", home.entries());
}

#[test]
fn the_version_is_one_line() {
    let home = Home::new();
    for flag in ["--version", "-V"] {
        let ended = home.pyro(&[flag]);
        assert_eq!(ended.status, 0);
        assert_eq!(ended.stdout, format!("pyro {}\n", env!("CARGO_PKG_VERSION")));
    }
    assert!(home.entries().is_empty());
}

#[test]
fn colours_are_used_only_where_they_are_wanted() {
    let home = Home::new();
    let coloured = |words: &[&str]| home.pyro(words).stdout.contains('\x1b');
    assert!(!coloured(&["--help"]));
    assert!(coloured(&["--color", "always", "--help"]));
    assert!(!coloured(&["--color=never", "--help"]));
    let failed = home.pyro(&["--color", "always", "nothing"]);
    assert!(
        failed.stderr.starts_with("\x1b[31;1merror:\x1b[0m "),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(["run", "--help"]);
    let status = command.stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let home = Home::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = home.command(["--version"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("error: cannot write to standard output: No space left"),
        "{stderr}"
    );
}
