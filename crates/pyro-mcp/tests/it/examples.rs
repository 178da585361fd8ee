//! The published examples, as they are, with a model that is scripted and everything else real.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{places, required};
use crate::model::{Answer, ModelServer};

/// What a model does with the tools of a profile: the calls, and what it must be told of each.
type Turns = &'static [(&'static str, &'static str, &'static [&'static str])];

const ONE_RUN: Turns = &[(
    "vm_run",
    r#"{"command": "git --version"}"#,
    &["exit 0 in ", "git version "],
)];

const A_CHANGE: Turns = &[
    ("workspace_create", r#"{"name": "chat"}"#, &["started"]),
    (
        "workspace_file_write",
        r#"{"workspace_id": "chat", "path": "greeting.txt", "text": "hello\n"}"#,
        &["/workspace/greeting.txt"],
    ),
    (
        "workspace_exec",
        r#"{"workspace_id": "chat", "command": "grep world greeting.txt"}"#,
        &["exit 1 in "],
    ),
    (
        "workspace_patch_apply",
        r#"{"workspace_id": "chat", "patch": "--- a/greeting.txt\n+++ b/greeting.txt\n@@ -1 +1 @@\n-hello\n+hello, world\n"}"#,
        &["/workspace/greeting.txt"],
    ),
    (
        "workspace_exec",
        r#"{"workspace_id": "chat", "command": "grep world greeting.txt"}"#,
        &["exit 0 in ", "hello, world\n"],
    ),
    (
        "workspace_diff",
        r#"{"workspace_id": "chat", "cached": true}"#,
        &["error unknown-argument: "],
    ),
    (
        "workspace_diff",
        r#"{"workspace_id": "chat"}"#,
        &["1 added", "\n+hello, world\n"],
    ),
    ("workspace_delete", r#"{"workspace_id": "chat"}"#, &["deleted"]),
];

const EVERY_TOOL: Turns = &[
    ("vm_list_environments", "{}", &["debian:12"]),
    ("workspace_create", r#"{"name": "chat"}"#, &["started"]),
    ("workspace_stop", r#"{"workspace_id": "chat"}"#, &["stopped"]),
    ("workspace_start", r#"{"workspace_id": "chat"}"#, &["started"]),
    (
        "workspace_exec",
        r#"{"workspace_id": "chat", "command": "id -un"}"#,
        &["exit 0 in ", "\nroot\n"],
    ),
    ("workspace_delete", r#"{"workspace_id": "chat"}"#, &["deleted"]),
];

/// What the model does, by how many tools it is offered.
fn turns(tools: usize) -> Turns {
    match tools {
        1 => ONE_RUN,
        16 => A_CHANGE,
        _ => EVERY_TOOL,
    }
}

/// A model of the Responses API.
#[derive(Debug, Default)]
struct Model {
    /// The turn that was taken last, by its number in its conversation.
    turn: usize,
    /// How many conversations came to their end.
    ended: Arc<Mutex<usize>>,
}

impl Model {
    fn answer(&mut self, path: &str, asked: &Value) -> Answer {
        assert_eq!(path, "/v1/responses");
        assert!(asked["model"].is_string(), "{asked:#}");
        assert!(
            asked["instructions"].as_str().unwrap().contains("pyro"),
            "{asked:#}"
        );
        let tools = asked["tools"].as_array().unwrap();
        for tool in tools {
            assert_eq!(
                (&tool["type"], &tool["strict"]),
                (&json!("function"), &json!(false))
            );
            assert_eq!(tool["parameters"]["type"], "object");
        }
        let turns = turns(tools.len());
        match asked["previous_response_id"].as_str() {
            None => {
                assert!(asked["input"].is_string(), "{asked:#}");
                self.turn = 0;
            }
            Some(previous) => {
                assert_eq!(previous, format!("resp_{}", self.turn));
                let (name, _, wanted) = turns[self.turn];
                let results = asked["input"].as_array().unwrap();
                assert_eq!(results.len(), 1, "{asked:#}");
                assert_eq!(results[0]["type"], "function_call_output");
                assert_eq!(results[0]["call_id"], format!("call_{}", self.turn));
                let output = results[0]["output"].as_str().unwrap();
                for words in wanted {
                    assert!(
                        output.contains(words),
                        "{name} answers without `{words}`: {output}"
                    );
                }
                self.turn += 1;
            }
        }
        let item = match turns.get(self.turn) {
            Some((name, arguments, _)) => json!({
                "type": "function_call", "id": format!("fc_{}", self.turn), "status": "completed",
                "call_id": format!("call_{}", self.turn), "name": name, "arguments": arguments,
            }),
            None => {
                *self.ended.lock().unwrap() += 1;
                let text = json!({"type": "output_text", "text": "That is done.", "annotations": []});
                json!({
                    "type": "message", "id": "msg_0", "status": "completed", "role": "assistant", "content": [text],
                })
            }
        };
        let reasoning = json!({"type": "reasoning", "id": format!("rs_{}", self.turn), "summary": []});
        (
            200,
            response(asked, &format!("resp_{}", self.turn), &[reasoning, item]),
        )
    }
}

/// A whole object of the API.
fn response(asked: &Value, id: &str, output: &[Value]) -> Value {
    json!({
        "id": id, "object": "response", "created_at": 1_790_000_000, "status": "completed", "error": null,
        "incomplete_details": null, "instructions": asked["instructions"], "max_output_tokens": null,
        "model": asked["model"], "output": output, "parallel_tool_calls": true,
        "previous_response_id": asked["previous_response_id"], "reasoning": {"effort": null, "summary": null},
        "store": true, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
        "tools": asked["tools"], "top_p": 1.0, "truncation": "disabled", "user": null, "metadata": {},
        "usage": {
            "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
        },
    })
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// Runs an example to its end, with `pyro` in the search path, and gives what it printed.
fn run(command: &mut Command, conversations: usize) -> String {
    let model = Model::default();
    let ended = Arc::clone(&model.ended);
    let model = Mutex::new(model);
    let server = ModelServer::start(move |path, asked| model.lock().unwrap().answer(path, asked));
    let home = TempDir::new().unwrap();
    let product = required("PYRO_TEST_BIN");
    let bin = product.parent().unwrap();
    let mut path = OsString::from(bin);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let output = command
        .envs(places(home.path()))
        .env("PATH", path)
        .env("PYRO_RUNTIME_DIR", bin.join("../lib/pyro"))
        .env("OPENAI_BASE_URL", server.url())
        .env("OPENAI_API_KEY", "none")
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complained}");
    assert_eq!(*ended.lock().unwrap(), conversations, "{told}\n{complained}");
    told
}

#[test]
fn the_mcp_chat_goes_from_one_run_to_every_tool_by_one_word() {
    let script = example("mcp_chat.py");
    let lines = std::fs::read_to_string(&script).unwrap().lines().count();
    assert!(lines <= 40, "it has {lines} lines");
    let told = run(Command::new(required("PYRO_TEST_PYTHON")).arg(script), 3);
    let profiles: Vec<_> = told.lines().filter(|line| line.starts_with("profile ")).collect();
    assert_eq!(
        profiles[..2],
        ["profile vm-run: 1 tools", "profile workspace-core: 16 tools"]
    );
    assert!(profiles[2].starts_with("profile workspace-full: "), "{told}");
    assert_eq!(told.matches("\nThat is done.\n").count(), 3, "{told}");
}

#[test]
fn a_model_of_the_responses_api_works_in_a_workspace_through_the_library() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().join("../examples/openai_responses");
    assert!(
        program.exists(),
        "it is not built: `cargo test` does that unless it is told which targets to build"
    );
    let told = run(&mut Command::new(program), 1);
    assert!(told.starts_with("profile workspace-core: 16 tools\n"), "{told}");
    assert!(told.contains("\nworkspace_patch_apply: "), "{told}");
    assert!(told.ends_with("\nThat is done.\n"), "{told}");
}
