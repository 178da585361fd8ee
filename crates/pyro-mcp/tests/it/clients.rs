//! Clients that others wrote: the official SDKs in Python and TypeScript, the MCP Inspector, and the conformance suite.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{places, required};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn run(command: &mut Command) -> Output {
    let home = TempDir::new().unwrap();
    // In no checkout, which workspaces would start from.
    let output = command
        .envs(places(home.path()))
        .current_dir(home.path())
        .output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn python(variable: &str, transport: &str) {
    let serve = ["mcp", "serve", "--profile", "vm-run", "--transport", transport];
    let told = script(variable, "python_client.py", &[], &serve);
    assert!(told.contains("ok: git --version"), "{told}");
}

/// Runs a script with one of the interpreters, and has it start a server; returns what it printed.
pub(crate) fn script(variable: &str, script: &str, words: &[&str], serve: &[&str]) -> String {
    let output = run(Command::new(required(variable))
        .arg(scripts().join(script))
        .args(words)
        .arg(required("PYRO_TEST_BIN"))
        .args(serve));
    succeeded(&output)
}

/// Runs a flow through workspaces; all of its checks hold.
pub(crate) fn flow(name: &str) {
    let serve = ["mcp", "serve", "--profile", "workspace-core"];
    let told = script("PYRO_TEST_PYTHON", "workspace_flows.py", &[name], &serve);
    assert!(
        told.contains("ok: it is deleted") || told.contains("ok: neither is listed"),
        "{told}"
    );
}

/// Promotes an agent from one profile to the next; all checks hold.
pub(crate) fn promotion() {
    let output = run(Command::new(required("PYRO_TEST_PYTHON"))
        .arg(scripts().join("profiles.py"))
        .arg(required("PYRO_TEST_BIN")));
    let told = succeeded(&output);
    assert!(told.contains("ok: it is deleted"), "{told}");
}

/// What a script printed that found nothing to complain about.
fn succeeded(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complained}");
    told
}

#[test]
fn the_python_sdk_2_is_served_in_every_mode() {
    python("PYRO_TEST_PYTHON", "stdio");
}

#[test]
fn the_python_sdk_2_is_served_over_http_in_every_mode() {
    python("PYRO_TEST_PYTHON", "http");
}

#[test]
fn the_python_sdk_1_is_served() {
    python("PYRO_TEST_PYTHON_V1", "stdio");
}

#[test]
fn the_python_sdk_1_is_served_over_http() {
    python("PYRO_TEST_PYTHON_V1", "http");
}

/// Runs a script in the Node that came with the packages it needs.
pub(crate) fn node(script: &str, profile: &str) -> String {
    let packages = required("PYRO_TEST_NODE_DIR");
    let output = run(Command::new(packages.join("node_modules/.bin/node"))
        .arg(scripts().join(script))
        .arg(&packages)
        .arg(required("PYRO_TEST_BIN"))
        .args(["mcp", "serve", "--profile", profile]));
    succeeded(&output)
}

#[test]
fn the_typescript_sdks_are_served_on_pipes_and_over_http_in_both_eras() {
    let told = node("typescript_client.mjs", "vm-run");
    assert_eq!(told.matches("ok: git --version").count(), 6, "{told}");
}

#[test]
fn the_conformance_suite_finds_only_what_is_expected() {
    let told = node("conformance.mjs", "workspace-core");
    assert_eq!(told.matches(": all pass but ").count(), 12, "{told}");
}

/// Runs the Inspector's command line on `pyro mcp serve`.
fn inspect(options: &[&str], serve: &[&str]) -> Output {
    let bin = required("PYRO_TEST_INSPECTOR_DIR").join("node_modules/.bin");
    let home = TempDir::new().unwrap();
    let mut command = Command::new(bin.join("node"));
    command.arg(bin.join("mcp-inspector")).arg("--cli");
    // The Inspector hands on only a few variables of its own choice unless told otherwise.
    for (name, value) in places(home.path()) {
        command.arg("-e").arg(format!("{name}={}", value.display()));
    }
    command
        .args(options)
        .arg(required("PYRO_TEST_BIN"))
        .args(["mcp", "serve"])
        .args(serve);
    run(&mut command)
}

fn result(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    value["result"].clone()
}

#[test]
fn the_inspector_finds_nothing_to_complain_about() {
    for (profile, structured) in [
        ("vm-run", "auto"),
        ("vm-run", "all"),
        ("workspace-core", "auto"),
        ("workspace-full", "all"),
    ] {
        let output = inspect(
            &["--method", "tools/list", "--strict"],
            &["--profile", profile, "--structured", structured],
        );
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        for word in ["Warning", "warning", "Error", "error:"] {
            assert!(
                !complaints.contains(word),
                "{profile} --structured {structured}: {complaints}"
            );
        }
    }
}

#[test]
fn the_inspector_runs_a_command_in_both_eras() {
    for era in ["legacy", "modern"] {
        let call = [
            "--protocol-era",
            era,
            "--format",
            "json",
            "--method",
            "tools/call",
            "--tool-name",
            "vm_run",
            "--tool-args-json",
        ];
        let output = inspect(
            &[&call[..], &[r#"{"command":"exit 3"}"#]].concat(),
            &["--structured", "all"],
        );
        assert!(output.status.success(), "{output:?}");
        let result = result(&output);
        assert_eq!(result["structuredContent"]["exit_code"], 3, "{result}");
        assert_eq!(result["structuredContent"]["cleanup"]["deleted"], true);

        // It takes tasks in both eras, and waits for them by itself in the modern one.
        let long = r#"{"command":"sleep 9; exit 4","timeout_seconds":600,"wait_seconds":1}"#;
        let output = inspect(&[&call[..], &[long]].concat(), &["--structured", "all"]);
        assert!(output.status.success(), "{output:?}");
        assert!(
            match era {
                "modern" => self::result(&output)["structuredContent"]["exit_code"] == 4,
                _ => self::result(&output)["structuredContent"]["outcome"] == "running",
            },
            "{output:?}"
        );

        let output = inspect(&[&call[..], &[r#"{"command":"true","foo":1}"#]].concat(), &[]);
        assert_eq!(output.status.code(), Some(5), "a tool error: {output:?}");
    }
}
