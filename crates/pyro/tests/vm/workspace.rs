//! Workspaces through the library.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::process::Command as Program;
use std::time::Duration;

use pyro::object::ExecOutcome;
use pyro::{
    Command, CreateRequest, ErrorCode, ExecRequest, LogsRequest, Pyro, RunEvent, Stdin, UpdateRequest,
    Workspace, WorkspaceFilter,
};

use crate::support::Host;

fn exec(text: &str) -> ExecRequest {
    let mut request = ExecRequest::new(Command::Shell(text.to_owned()));
    request.timeout = Some(Duration::from_secs(600));
    request
}

async fn output(workspace: &Workspace, text: &str) -> String {
    workspace.exec(exec(text)).await.unwrap().stdout
}

#[test]
fn a_workspace_is_made_used_reset_and_deleted() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let mut request = CreateRequest::default();
        request.name = Some("alpha".parse().unwrap());
        let workspace = pyro.create_workspace(&request, &mut |_| {}).await.unwrap();
        let error = pyro.create_workspace(&request, &mut |_| {}).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NameTaken);

        let mut request = exec("cat; pwd");
        request.stdin = Stdin::Reader(Box::new(&b"from here\n"[..]));
        request.env.push(("A".to_owned(), "b".into()));
        let result = workspace.exec(request).await.unwrap();
        assert_eq!(
            (result.stdout.as_str(), result.sequence),
            ("from here\n/workspace\n", 1)
        );

        // Several handles, and commands at once.
        let again = pyro.workspace(&"alpha".parse().unwrap()).unwrap();
        assert_eq!(again.id(), workspace.id());
        let (one, two) = tokio::join!(
            output(&workspace, "echo 1 >f; sleep 1"),
            output(&again, "sleep 1; cat f")
        );
        assert_eq!((one.as_str(), two.as_str()), ("", "1\n"));

        // A command that is dropped is ended, and one that is interrupted hears it.
        let mut dropped = workspace.start_exec(exec("echo ready; exec sleep 1000"));
        while let Some(event) = dropped.next_event().await {
            if matches!(event, RunEvent::Stdout(_)) {
                break;
            }
        }
        drop(dropped);
        let mut run =
            workspace.start_exec(exec("trap 'exit 9' INT; echo ready; while :; do sleep 0.1; done"));
        while let Some(event) = run.next_event().await {
            if matches!(event, RunEvent::Stdout(_)) {
                run.control().interrupt(Duration::from_secs(60));
            }
        }
        let result = run.finish().await.unwrap();
        assert_eq!((result.outcome, result.exit_code), (ExecOutcome::Exited, Some(9)));

        assert_eq!(workspace.reset().await.unwrap().reset_count, 1);
        assert_eq!(output(&workspace, "ls -A").await, "");
        let logs = workspace.logs(&LogsRequest::default()).unwrap();
        let dropped = logs
            .entries
            .iter()
            .find(|entry| entry.command.contains("exec sleep"))
            .unwrap();
        assert_eq!(
            (dropped.outcome, dropped.stdout.as_str()),
            (ExecOutcome::Cancelled, "ready\n")
        );

        let mut update = UpdateRequest::default();
        update.labels.insert("owner".to_owned(), "alice".to_owned());
        workspace.update(&update).await.unwrap();
        let listed = pyro.workspaces(&WorkspaceFilter::default()).unwrap();
        assert_eq!((listed.len(), listed[0].labels["owner"].as_str()), (1, "alice"));
        workspace.ping().await.unwrap();
        workspace.stop().await.unwrap();
        let error = workspace.ping().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidState);
        assert!(workspace.delete().await.unwrap().deleted);
        let error = workspace.exec(exec("true")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::WorkspaceNotFound);
    });
}

#[test]
fn the_example_runs() {
    let host = Host::new();
    let settings = &host.settings;
    let bin = settings.program.as_ref().unwrap();
    let example = std::env::current_exe().unwrap();
    let example = example
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("examples/workspace");
    let path = std::env::join_paths(
        [bin.parent().unwrap().to_owned()]
            .into_iter()
            .chain(settings.search_path.iter().cloned()),
    );
    let run = Program::new(example)
        .env_clear()
        .env("PATH", path.unwrap())
        .env("HOME", &settings.home)
        .env("PYRO_HOME", &settings.home)
        .env("PYRO_CACHE_DIR", &settings.cache_dir)
        .env("PYRO_RUNTIME_DIR", settings.runtime_dir.as_ref().unwrap())
        .env("PYRO_ISOLATION", host.isolation())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let told = "before: exit Some(1)\npatched: /workspace/greeting\nafter: hello\n\
        diff --git a/greeting b/greeting\nnew file mode 100644\n--- /dev/null\n+++ b/greeting\n@@ -0,0 +1 @@\n+hello\n\
        resets: 1\n";
    assert_eq!(text, told);
}
