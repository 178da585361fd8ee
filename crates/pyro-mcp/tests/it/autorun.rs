//! What tools of the host run by themselves is not written by those who ask over MCP.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, text};

/// A server that may export into a directory, with a workspace `a` that holds what a command makes.
fn serving(root: &Path, options: &[&str], make: &str) -> Client {
    let root = root.to_str().unwrap();
    let options = [
        &["--profile", "workspace-core", "--allow-host-path", root],
        options,
    ]
    .concat();
    let mut client = Client::open(&options);
    client.done("workspace_create", json!({"name": "a"}));
    let made = client.done("workspace_exec", json!({"workspace_id": "a", "command": make}));
    assert!(text(&made).starts_with("exit 0 in "), "{}", text(&made));
    client
}

fn export(client: &mut Client, path: &str, target: &Path, force: bool) -> Value {
    let arguments = json!({"workspace_id": "a", "path": path, "output_path": target, "force": force});
    client.call("workspace_export", arguments)
}

fn assert_denied(result: &Value, what: &str) {
    let said = text(result);
    assert_eq!(result["isError"], true, "{what}: {said}");
    assert!(said.starts_with("error host-path-denied: "), "{what}: {said}");
    assert!(said.contains("--allow-autorun-paths"), "{what}: {said}");
}

/// Everything in a directory, with the content of files.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let content = match path.is_symlink() || !path.is_dir() {
            true => fs::read(&path).unwrap_or_default(),
            false => Vec::new(),
        };
        found.push((path.display().to_string(), content));
        if path.is_dir() && !path.is_symlink() {
            found.extend(tree(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn exports_spare_what_host_tools_run() {
    let root = TempDir::new().unwrap();
    let path = |name: &str| root.path().join(name);
    for dir in [".git/hooks", ".vscode", "sub/.GIT", "work", "checkout/.git"] {
        fs::create_dir_all(path(dir)).unwrap();
    }
    for file in [".git/config", ".envrc", "checkout/file", "work/file"] {
        fs::write(path(file), "host\n").unwrap();
    }
    symlink(".git", path("innocent")).unwrap();
    symlink("../.vscode", path("work/also")).unwrap();
    let before = tree(root.path());
    let make = "echo guest > f; mkdir -p t/a/.vscode t/plain; echo guest > t/a/.vscode/tasks.json; echo guest > t/x; \
                mkdir p; echo guest > p/x; mkdir -p g/.git/hooks; echo guest > g/.git/hooks/pre-commit";
    let mut client = serving(root.path(), &[], make);

    for target in [
        ".git/hooks/pre-commit",
        ".git/new",
        ".git",
        ".GIT/hooks/x",
        ".Git",
        "git~1",
        ".vscode/tasks.json",
        ".vscode",
        ".VSCode",
        ".idea",
        ".cursor",
        ".claude",
        ".devcontainer",
        ".husky",
        ".envrc",
        ".EnvRC",
        ".mcp.json",
        "work/.mcp.json",
        "innocent/hooks/x",
        "work/also/tasks.json",
        "work/../.git/hooks/x",
        "sub/.GIT/x",
    ] {
        for force in [false, true] {
            let result = export(&mut client, "f", &path(target), force);
            // Where the directory is not there, nothing can be written in any case.
            match path(target).parent().unwrap().is_dir() {
                true => assert_denied(&result, target),
                false => assert_eq!(result["isError"], true, "{target}"),
            }
        }
    }
    let patch = json!({"workspace_id": "a", "output_path": path(".envrc"), "as_patch": true, "force": true});
    assert_denied(&client.call("workspace_export", patch), "a patch");
    for (tree, target) in [
        // What is exported has such names, and is to take the place of a directory that is there.
        ("t", "work"),
        ("g", "work"),
        // What is replaced has them.
        ("p", "checkout"),
        ("f", "checkout"),
    ] {
        assert_denied(&export(&mut client, tree, &path(target), true), target);
    }
    let changes = json!({"workspace_id": "a", "output_path": path("work"), "changes": true, "force": true});
    assert_denied(&client.call("workspace_export", changes), "changes");
    assert_eq!(
        tree(root.path()),
        before,
        "nothing was written, and nothing was left half written"
    );

    // All else goes where it went before.
    for (tree, target, force) in [
        ("f", "f", false),
        ("f", ".gitignore", false),
        ("p", "work", true),
        ("t", "new", false),
        ("g", "other", true),
    ] {
        let result = export(&mut client, tree, &path(target), force);
        assert_eq!(result["isError"], false, "{target}: {}", text(&result));
    }
    assert_eq!(fs::read(path("new/a/.vscode/tasks.json")).unwrap(), b"guest\n");
    assert_eq!(fs::read(path("work/x")).unwrap(), b"guest\n");
}

#[test]
fn a_server_may_be_told_not_to_care() {
    let root = TempDir::new().unwrap();
    let hooks = root.path().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    let mut client = serving(
        root.path(),
        &["--allow-autorun-paths"],
        "echo guest > f; mkdir -p t/.vscode",
    );
    for (path, target) in [
        ("f", hooks.join("pre-commit")),
        ("t", hooks.clone()),
        ("f", root.path().join(".envrc")),
    ] {
        let result = export(&mut client, path, &target, true);
        assert_eq!(
            result["isError"],
            false,
            "{}: {}",
            target.display(),
            text(&result)
        );
    }
    let outside = export(&mut client, "f", &root.path().join("../pyro-outside"), false);
    assert!(
        text(&outside).starts_with("error host-path-denied: "),
        "{}",
        text(&outside)
    );
}

#[test]
fn a_root_inside_such_a_directory_was_meant() {
    let home = TempDir::new().unwrap();
    let root = home.path().join(".claude/worktrees/a");
    fs::create_dir_all(&root).unwrap();
    let mut client = serving(&root, &[], "echo guest > f");
    assert_eq!(export(&mut client, "f", &root.join("f"), false)["isError"], false);
    assert_denied(&export(&mut client, "f", &root.join(".envrc"), false), ".envrc");
}
