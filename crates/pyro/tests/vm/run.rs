//! One-shot runs on a tree, through the library.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pyro::object::{DiffStatus, ExecOutcome, VmExec};
use pyro::{
    Command, ErrorCode, ExportKind, ExportRequest, Phase, Pyro, Result, RunEvent, RunRequest, TreePath,
};

use crate::support::Host;

fn request(text: &str) -> RunRequest {
    let mut request = RunRequest::new(Command::Shell(text.to_owned()));
    request.timeout = Some(Duration::from_secs(600));
    request
}

fn export(path: &str, output: &Path) -> ExportRequest {
    ExportRequest::new(TreePath::parse(path).unwrap(), output)
}

/// Runs it, and says which phases it had.
async fn with_phases(pyro: &Pyro, request: RunRequest) -> (Vec<Phase>, Result<VmExec>) {
    let mut run = pyro.start_run(request);
    let mut phases = Vec::new();
    while let Some(event) = run.next_event().await {
        if let RunEvent::Phase(phase) = event {
            phases.push(phase);
        }
    }
    (phases, run.finish().await)
}

#[test]
fn a_run_begins_with_a_seed_and_leaves_what_was_asked_for() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    let files = tempfile::tempdir().unwrap();
    let (seed, out) = (files.path().join("seed"), |name: &str| files.path().join(name));
    fs::create_dir(&seed).unwrap();
    fs::write(seed.join("kept"), "kept\n").unwrap();
    fs::write(seed.join("changed"), "one\n").unwrap();
    fs::write(out("old"), "old\n").unwrap();
    host.block_on(async {
        let mut wanted = request("echo two >changed; mkdir new; echo x >new/f; pwd");
        wanted.seed_path = Some(seed.clone());
        wanted.return_diff = true;
        let mut changes = export(".", &out("changes"));
        changes.kind = ExportKind::Changes;
        let mut patch = export(".", &out("patch"));
        patch.kind = ExportKind::Patch;
        let mut replaced = export("changed", &out("old"));
        replaced.force = true;
        wanted.exports = vec![changes, patch, replaced];
        let (phases, result) = with_phases(&pyro, wanted).await;
        let result = result.unwrap();
        assert_eq!(phases.last(), Some(&Phase::Removing), "{phases:?}");
        assert!(phases.contains(&Phase::Exporting), "{phases:?}");
        assert_eq!(result.stdout, "/workspace\n");
        assert_eq!(result.skipped.as_deref(), Some(&[][..]));

        let diff = result.diff.unwrap();
        let entries: Vec<(&str, DiffStatus)> = diff
            .entries
            .iter()
            .map(|entry| (entry.path.as_str(), entry.status))
            .collect();
        assert_eq!(
            entries,
            [("changed", DiffStatus::Modified), ("new/f", DiffStatus::Added)]
        );
        assert_eq!(fs::read(out("patch")).unwrap(), diff.patch_bytes);
        assert_eq!(result.exports.unwrap().len(), 3);
        assert_eq!(fs::read_to_string(out("changes/new/f")).unwrap(), "x\n");
        assert!(!out("changes/kept").exists());
        assert_eq!(fs::read_to_string(out("old")).unwrap(), "two\n");
        assert_eq!(fs::read_to_string(seed.join("changed")).unwrap(), "one\n");
    });
}

#[test]
fn a_run_that_is_cancelled_or_dropped_meanwhile_leaves_no_target() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    let files = tempfile::tempdir().unwrap();
    host.block_on(async {
        for is_dropped in [false, true] {
            // Much to be exported: there is time to end it in the middle.
            let mut wanted = request("cd /workspace; head -c 300M /dev/zero | tr '\\0' x >large; exit 5");
            wanted.exports = vec![
                export("large", &files.path().join("large")),
                export("large", &files.path().join("again")),
            ];
            let mut run = pyro.start_run(wanted);
            while let Some(event) = run.next_event().await {
                if matches!(event, RunEvent::Phase(Phase::Exporting)) {
                    break;
                }
            }
            if is_dropped {
                drop(run);
            } else {
                run.control().interrupt(Duration::from_secs(5));
                let error = run.finish().await.unwrap_err();
                assert_eq!(error.code(), ErrorCode::Cancelled, "{error}");
                let details = error.details().unwrap();
                assert_eq!(details["exit_code"], 5);
                assert_eq!(details["failed_exports"].as_array().unwrap().len(), 2);
            }
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while fs::read_dir(files.path()).unwrap().count() > 0 {
                assert!(
                    std::time::Instant::now() < deadline,
                    "something is left on the host"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
}

#[test]
fn a_run_with_nothing_to_take_out_has_no_phase_for_it() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let (phases, result) = with_phases(&pyro, request("true")).await;
        assert_eq!(result.unwrap().outcome, ExecOutcome::Exited);
        assert!(!phases.contains(&Phase::Exporting), "{phases:?}");
    });
}
