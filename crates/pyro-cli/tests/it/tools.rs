//! The tools as functions, and demonstrations that are refused.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use serde_json::{Value, json};

use crate::harness::Home;

fn exported(options: &[&str]) -> Value {
    let home = Home::new();
    let ended = home.pyro(&[&["tools", "export"], options].concat());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{options:?}");
    assert!(home.entries().is_empty(), "nothing is made for it");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn the_export_is_what_an_api_takes() {
    let of = |format, profile| exported(&["--format", format, "--profile", profile]);
    let openai = of("openai", "workspace-core");
    let functions = openai.as_array().unwrap();
    assert_eq!(functions.len(), 16);
    for function in functions {
        assert_eq!(
            (&function["type"], &function["strict"]),
            (&json!("function"), &json!(false))
        );
        assert!(function["name"].is_string() && function["description"].is_string());
        assert_eq!(function["parameters"]["type"], "object");
    }
    let run = &of("openai", "vm-run")[0];
    assert_eq!(run["name"], "vm_run");
    assert!(functions.contains(run), "it is the same in every profile");
    let (name, schema) = (&run["name"], &run["parameters"]);
    assert_eq!(of("anthropic", "vm-run")[0]["input_schema"], *schema);
    assert_eq!(of("gemini", "vm-run")[0]["parametersJsonSchema"], *schema);
    let chat = &of("openai-chat", "vm-run")[0];
    assert_eq!(
        (&chat["function"]["name"], &chat["function"]["parameters"]),
        (name, schema)
    );
}

#[test]
fn the_export_has_only_what_was_chosen_and_can_say_what_it_is() {
    let object = exported(&[
        "--json",
        "--profile",
        "workspace-core",
        "--read-only",
        "--exclude-tools",
        "workspace_logs",
    ]);
    assert_eq!(
        (&object["format"], &object["profile"]),
        (&json!("openai"), &json!("workspace-core"))
    );
    assert!(object["instructions"].is_string());
    let names: Vec<_> = object["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names.len(),
        usize::try_from(object["count"].as_u64().unwrap()).unwrap()
    );
    assert!(
        names.contains(&"workspace_diff") && !names.contains(&"workspace_logs"),
        "{names:?}"
    );
    assert!(!names.contains(&"workspace_exec"), "{names:?}");
    let other = exported(&[
        "--profile",
        "vm-run",
        "--environment",
        "docker.io/library/python:3.12",
    ]);
    assert!(
        other
            .to_string()
            .contains("docker.io/library/python:3.12 (default)"),
        "{other}"
    );
}

#[test]
fn a_demonstration_of_what_is_not_there_is_refused() {
    let home = Home::new();
    for (words, status, code) in [
        (&["demo", "--network", "--json"][..], 125, "unsupported"),
        (
            &["demo", "ollama", "--base-url", "https://127.0.0.1/v1", "--json"],
            2,
            "invalid-argument",
        ),
        (&["demo", "ollama", "--network", "--json"], 2, "unknown-argument"),
        (&["demo", "claude", "--json"], 2, "unknown-argument"),
    ] {
        let ended = home.pyro(words);
        let object: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(
            (ended.status, &object["error"]["code"]),
            (status, &json!(code)),
            "{words:?}: {object:#}"
        );
        assert!(object["error"]["hint"].is_string(), "{object:#}");
    }
}
