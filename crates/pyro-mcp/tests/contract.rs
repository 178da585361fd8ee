//! The protocol as clients meet it, over a pair of pipes in memory: all that needs no VM.

#![expect(clippy::unwrap_used, reason = "a step that fails fails its test")]

use std::path::Path;
use std::time::Duration;

use pyro::{Pyro, Settings};
use pyro_mcp::{Profile, Server, ServerOptions, Structured, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const HANDSHAKE_REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

const SOON: Duration = Duration::from_secs(5);

struct Client {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Client {
    fn connect(options: ServerOptions) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (input, output) = (tokio::io::split(far), tokio::io::split(near));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = Server::new(Pyro::open(Settings::new("/nonexistent", "/nonexistent")), options);
        let served = tokio::spawn(async move {
            serve(server, input.0, input.1, stopped).await.unwrap();
        });
        Self {
            input: output.1,
            output: BufReader::new(output.0).lines(),
            stop,
            served,
        }
    }

    async fn open(options: ServerOptions, revision: &str) -> (Self, Value) {
        let mut client = Self::connect(options);
        let result = client.initialize(revision).await;
        (client, result)
    }

    async fn initialize(&mut self, revision: &str) -> Value {
        let params = json!({
            "protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"},
        });
        let result = self.ask("initialize", params).await["result"].clone();
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        result
    }

    async fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string()).await;
    }

    async fn send_line(&mut self, line: &str) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn receive(&mut self) -> Value {
        let line = timeout(SOON, self.output.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line.expect("the server has closed its output")).unwrap()
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
            .await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], method, "{answer}");
        answer
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }
}

fn vm_run() -> ServerOptions {
    ServerOptions::new(Profile::VmRun)
}

fn all() -> ServerOptions {
    let mut options = vm_run();
    options.structured = Structured::All;
    options
}

fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    });
    params
}

#[tokio::test]
async fn every_handshake_revision_is_spoken() {
    for revision in HANDSHAKE_REVISIONS {
        let (mut client, opened) = Client::open(vm_run(), revision).await;
        assert_eq!(opened["protocolVersion"], revision);
        assert_eq!(opened["serverInfo"]["name"], "pyro");
        assert_eq!(opened["serverInfo"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(opened["capabilities"], json!({"tools": {}}));
        assert!(opened["instructions"].as_str().unwrap().contains("vm_run"));
        assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
        let listed = client.ask("tools/list", json!({})).await;
        assert_eq!(listed["result"]["tools"][0]["name"], "vm_run");
        assert_eq!(listed["result"]["ttlMs"], Value::Null);
    }
}

#[tokio::test]
async fn a_handshake_in_an_unknown_revision_is_offered_the_newest() {
    let (_client, opened) = Client::open(vm_run(), "2099-01-01").await;
    assert_eq!(opened["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn the_stateless_revision_is_spoken_without_a_handshake() {
    let mut client = Client::connect(vm_run());
    let found = client.ask("server/discover", modern(json!({}))).await;
    let found = &found["result"];
    assert!(
        found["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28"))
    );
    assert!(found["instructions"].as_str().unwrap().contains("vm_run"));
    assert_eq!(
        (&found["ttlMs"], &found["cacheScope"]),
        (&json!(3_600_000), &json!("public"))
    );
    let listed = client.ask("tools/list", modern(json!({}))).await;
    let listed = &listed["result"];
    assert_eq!(listed["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["ttlMs"], &listed["cacheScope"]),
        (&json!(3_600_000), &json!("public"))
    );
    assert_eq!(listed["resultType"], "complete");
    let refused = client
        .ask(
            "tools/call",
            modern(json!({"name": "vm_run", "arguments": {"foo": 1}})),
        )
        .await;
    assert_eq!(refused["result"]["isError"], true);
    assert_eq!(refused["result"]["resultType"], "complete");
}

#[tokio::test]
async fn a_bad_argument_is_a_result_that_says_what_is_wrong() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for (arguments, text) in [
        (
            json!({"command": "true", "memory": 512}),
            "error unknown-argument: `vm_run` has no argument `memory`\nhint: did you mean `mem_mib`? known: command, \
             environment, vcpu_count, mem_mib, timeout_seconds, ttl_seconds, max_output_chars",
        ),
        (
            json!({}),
            "error invalid-argument: `command` is required\nhint: pass `command` as a string",
        ),
        (
            json!({"command": "true", "timeout_seconds": 0}),
            "error invalid-argument: `timeout_seconds` must be 1–86400, got `0`\nhint: pass `timeout_seconds` as a \
             whole number of at least 1 and at most 86400",
        ),
    ] {
        let result = client.call("vm_run", arguments).await["result"].clone();
        assert_eq!(result["isError"], true);
        assert_eq!(result["content"], json!([{"type": "text", "text": text}]));
        assert_eq!(result["structuredContent"], Value::Null);
    }
}

#[tokio::test]
async fn with_structure_an_error_has_its_object_and_conforms() {
    let (mut client, _) = Client::open(all(), "2025-11-25").await;
    let listed = client.ask("tools/list", json!({})).await;
    assert_eq!(
        listed["result"]["tools"][0]["outputSchema"]["properties"]["error"]["type"],
        "object"
    );
    let result = client.call("vm_run", json!({"foo": 1})).await["result"].clone();
    let error = &result["structuredContent"]["error"];
    assert_eq!(error["code"], "unknown-argument");
    assert!(error["hint"].as_str().unwrap().starts_with("known: command"));
}

#[tokio::test]
async fn what_is_not_offered_is_an_error_of_the_protocol() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for tool in ["workspace_create", "VM_RUN", ""] {
        let answer = client.call(tool, json!({})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("vm_run"));
    }
    assert_eq!(
        client.ask("tools/list", json!({"cursor": "x"})).await["error"]["code"],
        -32602
    );
    for (method, params) in [
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "x"})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "pyro://x"})),
        ("logging/setLevel", json!({"level": "info"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}),
        ),
        ("no/such", json!({})),
    ] {
        let answer = client.ask(method, params).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
}

#[tokio::test]
async fn lines_that_are_no_messages_do_not_end_the_session() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for line in ["", "garbage", "{\"jsonrpc\":", "\u{0}\u{1}"] {
        client.send_line(line).await;
    }
    assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
    for message in ["[]", "7", "{}", "{\"jsonrpc\":\"1.0\",\"id\":1}"] {
        client.send_line(message).await;
        let answer = client.receive().await;
        assert_eq!(answer["error"]["code"], -32600, "{message}: {answer}");
    }
    assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn the_server_leaves_at_the_end_of_input_with_its_answers_sent() {
    let (mut client, _) = Client::open(vm_run(), "2025-11-25").await;
    for id in 0..20 {
        client
            .send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}))
            .await;
    }
    client.input.shutdown().await.unwrap();
    let mut answered = Vec::new();
    while let Ok(Some(line)) = timeout(SOON, client.output.next_line()).await.unwrap() {
        let answer: Value = serde_json::from_str(&line).unwrap();
        answered.push(answer["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..20).collect::<Vec<_>>());
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn the_server_leaves_when_it_is_told_to_or_nobody_listens() {
    let (client, _) = Client::open(vm_run(), "2025-11-25").await;
    client.stop.cancel();
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();

    let unopened = Client::connect(vm_run());
    unopened.stop.cancel();
    timeout(Duration::from_secs(1), unopened.served)
        .await
        .unwrap()
        .unwrap();

    let (client, _) = Client::open(vm_run(), "2025-11-25").await;
    drop((client.input, client.output));
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_session_that_never_begins_is_no_failure() {
    let mut client = Client::connect(vm_run());
    client.input.shutdown().await.unwrap();
    timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
}

fn core(directories: &[&Path]) -> ServerOptions {
    let mut options = ServerOptions::new(Profile::WorkspaceCore);
    options.allow_host_paths = directories.iter().map(|path| path.to_path_buf()).collect();
    options
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn each_profile_lists_its_own_tools_and_the_full_one_is_the_default() {
    for (options, count) in [
        (vm_run(), 1),
        (core(&[]), 16),
        (ServerOptions::new(Profile::WorkspaceFull), 16),
        (ServerOptions::default(), 16),
    ] {
        let (mut client, opened) = Client::open(options, "2025-11-25").await;
        let listed = client.ask("tools/list", json!({})).await;
        let tools = listed["result"]["tools"].as_array().unwrap();
        assert_eq!(tools.len(), count);
        assert_eq!(tools[0]["name"], "vm_run");
        let instructions = opened["instructions"].as_str().unwrap();
        assert_eq!(instructions.contains("workspace_create"), count > 1);
    }
}

#[tokio::test]
async fn a_workspace_that_is_not_there_is_an_error_in_both_forms() {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    let missing = client
        .call("workspace_status", json!({"workspace_id": "alpha"}))
        .await["result"]
        .clone();
    assert_eq!(missing["isError"], true);
    let said =
        "error workspace-not-found: no workspace `alpha`\nhint: there is none; `workspace_create` makes one";
    assert_eq!(text(&missing), said);
    assert_eq!(
        missing["structuredContent"]["error"]["code"],
        "workspace-not-found"
    );
    // A tool whose payload is text has no second form.
    let missing = client
        .call("workspace_logs", json!({"workspace_id": "alpha"}))
        .await["result"]
        .clone();
    assert!(text(&missing).starts_with("error workspace-not-found: "));
    assert_eq!(missing["structuredContent"], Value::Null);
}

#[tokio::test]
async fn bad_arguments_of_every_kind_are_refused_before_anything_runs() {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    for (tool, arguments, refusal) in [
        (
            "workspace_status",
            json!({}),
            "invalid-argument: `workspace_id` is required",
        ),
        (
            "workspace_status",
            json!({"workspace_id": "../x"}),
            "invalid-id: ",
        ),
        (
            "workspace_status",
            json!({"workspace_id": "/etc/passwd"}),
            "invalid-id: ",
        ),
        (
            "workspace_create",
            json!({"include_ignored": true}),
            "unknown-argument: `workspace_create` has no argument `include_ignored`",
        ),
        (
            "workspace_create",
            json!({"name": "a/b"}),
            "invalid-argument: the name `a/b` ",
        ),
        (
            "workspace_create",
            json!({"labels": {"": "x"}}),
            "invalid-argument: `labels` needs keys",
        ),
        (
            "workspace_create",
            json!({"labels": ["x"]}),
            "invalid-argument: `labels` must be an object",
        ),
        (
            "workspace_list",
            json!({"state": "gone"}),
            "invalid-argument: `state` must be one of creating, ",
        ),
        (
            "workspace_list",
            json!({"page": "x"}),
            "invalid-argument: `page` must be what next_page said",
        ),
        (
            "workspace_list",
            json!({"limit": 1001}),
            "invalid-argument: `limit` must be 1–1000, got `1001`",
        ),
        (
            "workspace_update",
            json!({"workspace_id": "a", "name": "b", "clear_name": true}),
            "invalid-argument: `clear_name` cannot be given with `name`",
        ),
        (
            "workspace_exec",
            json!({"workspace_id": "a", "command": "x", "user": "root"}),
            "unknown-argument: `workspace_exec` has no argument `user`",
        ),
        (
            "workspace_exec",
            json!({"workspace_id": "a", "command": "x", "env": {"A": 1}}),
            "invalid-argument: `env` must be an object with strings as values",
        ),
        (
            "workspace_logs",
            json!({"workspace_id": "a", "sequence": 0}),
            "invalid-argument: `sequence` must be at least 1, got `0`",
        ),
        (
            "workspace_file_read",
            json!({"workspace_id": "a", "path": "../x"}),
            "path-refused: `../x` leaves /workspace\nhint: give a path relative to /workspace, without `..`; use \
             `workspace_exec` for paths outside",
        ),
        (
            "workspace_file_read",
            json!({"workspace_id": "a", "path": "x", "offset": 1, "start_line": 1}),
            "invalid-argument: `offset` cannot be given with lines",
        ),
        (
            "workspace_file_write",
            json!({"workspace_id": "a", "path": "x", "text": "!", "encoding": "base64"}),
            "invalid-argument: `text` must be base64",
        ),
        (
            "workspace_patch_apply",
            json!({"workspace_id": "a", "patch": "x".repeat((8 << 20) + 1)}),
            "too-large: `patch` has 8388609 bytes, the limit is 8388608",
        ),
        (
            "workspace_export",
            json!({"workspace_id": "a", "output_path": "x", "changes": true, "as_patch": true}),
            "invalid-argument: `as_patch` cannot be given with `changes`",
        ),
        (
            "workspace_diff",
            json!({"workspace_id": "a", "from_snapshot": "before"}),
            "item-not-found: no snapshot `before` in `a`\nhint: snapshots: baseline\nkind: snapshot",
        ),
        (
            "workspace_reset",
            json!({"workspace_id": "a", "snapshot": "x"}),
            "item-not-found: ",
        ),
    ] {
        let result = client.call(tool, arguments).await["result"].clone();
        assert_eq!(result["isError"], true, "{tool}: {result}");
        let said = text(&result);
        assert!(said.starts_with(&format!("error {refusal}")), "{tool}: {said}");
    }
}

#[tokio::test]
async fn a_list_of_nothing_has_both_forms() {
    let (mut client, _) = Client::open(core(&[]), "2025-11-25").await;
    let result = client.call("workspace_list", json!({})).await["result"].clone();
    assert_eq!(result["isError"], false);
    assert_eq!(text(&result), "0 workspaces\n");
    assert_eq!(
        result["structuredContent"],
        json!({"count": 0, "next_page": null, "workspaces": []})
    );
}

/// Pushes from a path to a workspace that is not there; tells how that failed.
async fn pushed(client: &mut Client, source_path: &Path) -> String {
    let arguments = json!({"workspace_id": "a", "source_path": source_path});
    let result = client.call("workspace_sync_push", arguments).await;
    text(&result["result"]).to_owned()
}

/// The same with an export to a path.
async fn exported(client: &mut Client, output_path: &Path) -> String {
    let arguments = json!({"workspace_id": "a", "output_path": output_path});
    let result = client.call("workspace_export", arguments).await;
    text(&result["result"]).to_owned()
}

#[tokio::test]
async fn a_path_outside_the_allowed_roots_is_denied() {
    let [allowed, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (mut client, _) = Client::open(core(&[allowed.path()]), "2025-11-25").await;
    let path = |name: &str| allowed.path().join(name);
    let (link, shown) = (path("link"), allowed.path().canonicalize().unwrap());
    std::os::unix::fs::symlink(other.path(), &link).unwrap();
    for path in [allowed.path(), &path("new"), &path("new/x")] {
        let said = pushed(&mut client, path).await;
        assert!(said.starts_with("error workspace-not-found: "), "{said}");
    }
    let outside = [
        other.path(),
        &link,
        &path(".."),
        &path("../x"),
        Path::new("src"),
        Path::new("/"),
    ];
    for path in outside {
        assert_eq!(
            pushed(&mut client, path).await,
            format!(
                "error host-path-denied: `{}` is not allowed\nhint: allowed: {}; start the server with \
                 `--allow-host-path DIR` for others",
                path.display(),
                shown.display()
            )
        );
    }
    // A link at the end of a target is what is replaced, one before it is followed.
    for path in [&link, &path("new"), &path("new/x")] {
        let said = exported(&mut client, path).await;
        assert!(said.starts_with("error workspace-not-found: "), "{said}");
    }
    for path in [
        allowed.path(),
        &path("link/x"),
        &path("../x"),
        &other.path().join("x"),
    ] {
        let said = exported(&mut client, path).await;
        assert!(said.starts_with("error host-path-denied: "), "{said}");
    }
    for path in [&path(".."), Path::new("/")] {
        let said = exported(&mut client, path).await;
        assert!(
            said.starts_with("error invalid-argument: `output_path` must end in the name"),
            "{said}"
        );
    }
}

/// A session whose client has roots.
async fn with_roots() -> Client {
    let mut client = Client::connect(core(&[]));
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {"roots": {"listChanged": true}},
        "clientInfo": {"name": "test", "version": "0"},
    });
    client.ask("initialize", params).await;
    client
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        .await;
    client
}

/// Begins to push from a path; the server's next message is its answer, or the question for roots.
async fn begin(client: &mut Client, source_path: &Path) -> Value {
    let arguments = json!({"workspace_id": "a", "source_path": source_path});
    let params = json!({"name": "workspace_sync_push", "arguments": arguments});
    client
        .send(&json!({"jsonrpc": "2.0", "id": "push", "method": "tools/call", "params": params}))
        .await;
    client.receive().await
}

async fn announce(client: &mut Client, question: &Value, roots: &[&Path]) -> Value {
    assert_eq!(question["method"], "roots/list", "{question}");
    let roots: Vec<_> = roots
        .iter()
        .map(|root| json!({"uri": format!("file://{}", root.display())}))
        .collect();
    client
        .send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": roots}}))
        .await;
    client.receive().await
}

#[tokio::test]
async fn the_roots_of_a_client_are_asked_for_once_until_they_change() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (first, second) = (first.path().join("x"), second.path().join("x"));
    let roots = [first.parent().unwrap(), second.parent().unwrap()];
    let mut client = with_roots().await;
    let is_denied = |answer: &Value| text(&answer["result"]).starts_with("error host-path-denied: ");

    let question = begin(&mut client, &first).await;
    let answer = announce(&mut client, &question, &roots[..1]).await;
    assert!(!is_denied(&answer), "{answer}");
    let answer = begin(&mut client, &first).await;
    assert!(!is_denied(&answer), "not asked again: {answer}");
    let answer = begin(&mut client, &second).await;
    assert!(is_denied(&answer), "{answer}");
    let shown = roots[0].canonicalize().unwrap();
    assert!(
        text(&answer["result"]).contains(shown.to_str().unwrap()),
        "{answer}"
    );

    client
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}))
        .await;
    // Notifications and requests may overtake each other.
    client.ask("ping", json!({})).await;
    let question = begin(&mut client, &second).await;
    let answer = announce(&mut client, &question, &roots).await;
    assert!(!is_denied(&answer), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_names_its_roots_has_none() {
    let mut client = with_roots().await;
    let question = begin(&mut client, Path::new("/etc")).await;
    assert_eq!(question["method"], "roots/list", "{question}");
    let answer = client.receive().await;
    assert!(
        text(&answer["result"]).contains("no path of the host is allowed"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_without_a_session_is_not_asked_for_roots() {
    let mut client = Client::connect(core(&[]));
    let mut params = modern(json!({"name": "workspace_create", "arguments": {"seed_path": "/etc"}}));
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"roots": {}});
    let answer = client.ask("tools/call", params).await;
    assert!(
        text(&answer["result"]).starts_with("error host-path-denied: "),
        "{answer}"
    );
}
