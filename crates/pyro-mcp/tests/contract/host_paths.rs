//! Which paths of the host a client may name.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, core, modern, text};

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
