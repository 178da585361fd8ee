//! `pyro demo`: by hand, and by a model that is scripted while everything else is real.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use serde_json::{Value, json};

use crate::model::{Answer, ModelServer};
use crate::support::{Ended, Home};
use crate::tier::Tier;

/// What the model says in its turns, and whether it says it in a call.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Calls(&'static str, &'static str),
    Says(&'static str),
}

/// A model of the Chat Completions API that takes these turns, and the last one for ever.
fn model(turns: &'static [Turn]) -> ModelServer {
    let mut turn = 0;
    ModelServer::start(move |path, asked| {
        assert_eq!(path, "/v1/chat/completions");
        check(asked, turn, turns);
        let taken = turns[turn.min(turns.len() - 1)];
        turn += 1;
        (200, completion(asked, turn, taken))
    })
}

/// What is asked is what the API takes, and has the result of each call.
fn check(asked: &Value, turn: usize, turns: &[Turn]) {
    assert_eq!(
        (&asked["model"], &asked["stream"]),
        (&json!("scripted"), &json!(false))
    );
    let tools = asked["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0]["function"]["name"], "vm_run");
    let parameters = &tools[0]["function"]["parameters"]["properties"];
    assert_eq!(parameters["command"]["type"], "string");
    let messages = asked["messages"].as_array().unwrap();
    assert_eq!(
        (&messages[0]["role"], &messages[1]["role"]),
        (&json!("system"), &json!("user"))
    );
    if let Some(Turn::Calls(name, arguments)) =
        turn.checked_sub(1).map(|last| turns[last.min(turns.len() - 1)])
    {
        let [.., call, result] = messages.as_slice() else {
            unreachable!("there are two messages more for each call");
        };
        assert_eq!(call["role"], "assistant");
        assert_eq!(call["tool_calls"][0]["id"], format!("call_{turn}"));
        assert_eq!(
            call["tool_calls"][0]["function"],
            json!({"name": name, "arguments": arguments})
        );
        assert_eq!(
            (&result["role"], &result["tool_call_id"]),
            (&json!("tool"), &json!(format!("call_{turn}")))
        );
        assert!(result["content"].is_string());
    }
}

/// An answer as Ollama writes it.
fn completion(asked: &Value, turn: usize, taken: Turn) -> Value {
    let (message, reason) = match taken {
        Turn::Calls(name, arguments) => (
            json!({
                "role": "assistant", "content": "",
                "tool_calls": [{
                    "id": format!("call_{turn}"), "index": 0, "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }],
            }),
            "tool_calls",
        ),
        Turn::Says(text) => (json!({"role": "assistant", "content": text}), "stop"),
    };
    json!({
        "id": format!("chatcmpl-{turn}"), "object": "chat.completion", "created": 1_790_000_000, "model": asked["model"],
        "system_fingerprint": "fp_ollama", "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}

fn demo(home: &Home, url: &str, options: &[&str]) -> Ended {
    let words = ["demo", "ollama", "--base-url", url, "--model", "scripted"];
    Ended::from(home.pyro([&words, options].concat()).output().unwrap())
}

#[test]
fn a_demo_runs_git_in_a_vm() {
    let home = Home::new();
    let isolation = Tier::wanted().isolation;
    let ended = Ended::from(home.pyro(["demo", "--isolation", isolation]).output().unwrap());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.text().starts_with("git version "), "{}", ended.text());
    assert!(ended.stderr.contains(": exit 0 in "), "{}", ended.stderr);
    let object = Ended::from(home.pyro(["demo", "--json"]).output().unwrap()).json();
    assert_eq!(
        (&object["exit_code"], &object["cleanup"]["deleted"]),
        (&json!(0), &json!(true))
    );
    Tier::wanted().assert_is_of(&object);
}

#[test]
fn a_model_that_runs_the_probe_succeeds_and_what_it_was_told_can_be_seen() {
    let home = Home::new();
    // It errs first, as models do.
    let server = model(&[
        Turn::Calls("vm_run", r#"{"cmd": "git --version"}"#),
        Turn::Calls("run_vm", "{}"),
        Turn::Calls("vm_run", "git --version"),
        Turn::Calls("vm_run", r#"{"command": "git --version"}"#),
        Turn::Says("It is git version 2.39.5.\u{1b}[31m"),
    ]);
    let ended = demo(&home, server.url(), &["-v"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(
        ended.text(),
        "It is git version 2.39.5.\\u{1b}[31m\nscripted ran `git --version` in a VM: exit 0\n"
    );
    for words in [
        "scripted calls vm_run {\"cmd\": \"git --version\"}\nerror unknown-argument: `vm_run` has no argument `cmd`\n",
        "error unknown-argument: unknown tool `run_vm`; known: vm_run\n",
        "error invalid-argument: the arguments of `vm_run` are no JSON",
        "\nexit 0 in ",
        "\nstdout:\ngit version ",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }

    let server = model(&[
        Turn::Calls("vm_run", r#"{"command": "git --version"}"#),
        Turn::Says("Done."),
    ]);
    let quiet = demo(&home, server.url(), &["--json"]).json();
    assert_eq!(
        (
            &quiet["model"],
            &quiet["rounds"],
            &quiet["answer"],
            &quiet["result"]["exit_code"]
        ),
        (&json!("scripted"), &json!(2), &json!("Done."), &json!(0))
    );
    Tier::wanted().assert_is_of(&quiet["result"]);
}

#[test]
fn a_model_that_does_not_do_it_fails() {
    let home = Home::new();
    for (turns, message) in [
        (
            &[Turn::Says("It is 2.39.5, I am sure.")][..],
            "`scripted` never called `vm_run`",
        ),
        (
            &[
                Turn::Calls("vm_run", r#"{"command": "git --version; exit 3"}"#),
                Turn::Calls("vm_run", r#"{"command": "true"}"#),
                Turn::Says("Done."),
            ],
            "no `git --version` that `scripted` had run ended with status 0",
        ),
        // It is not asked for ever.
        (
            &[Turn::Calls("vm_run", "{}")],
            "no `git --version` that `scripted` had run ended with status 0",
        ),
    ] {
        let ended = demo(&home, model(turns).url(), &["--json"]);
        let error = &ended.json()["error"];
        assert_eq!(ended.status, 125);
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!("model-failed"), &json!(message))
        );
        assert!(error["hint"].as_str().unwrap().contains("--model"), "{error:#}");
    }
}

#[test]
fn a_server_that_does_not_answer_as_it_should_is_told_with_what_to_do() {
    let home = Home::new();
    let refusing = ModelServer::start(|_, _| -> Answer {
        (
            404,
            json!({"error": {"message": "model \"scripted\" not found, try pulling it first", "type": "not_found_error"}}),
        )
    });
    let other = ModelServer::start(|_, _| (200, json!({"hello": "world"})));
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    for (url, message, hint) in [
        (refusing.url(), "not found, try pulling it first", "ollama pull"),
        (other.url(), "does not speak Chat Completions", "--base-url"),
        (&nobody, "no model server answers at `127.0.0.1:", "ollama serve"),
    ] {
        let ended = demo(&home, url, &[]);
        assert_eq!((ended.status, ended.text()), (125, ""));
        assert!(
            ended.stderr.contains(message) && ended.stderr.contains(hint),
            "{}",
            ended.stderr
        );
    }
}
