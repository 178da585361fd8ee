//! Runs that nobody has to follow, through the library.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails must fail the test"
)]

use std::time::Duration;

use pyro::object::{ExecOutcome, VmExec, VmExecSoFar, VmRun};
use pyro::{BackgroundRuns, ErrorCode, Pyro, Run, RunEvent, VmId};

use crate::host::children;
use crate::support::{Host, shell};

/// Waits until the command printed this, as the run's events or its state say.
async fn printed(runs: &BackgroundRuns, run: &mut Run<VmRun>, text: &str) {
    let mut seen = Vec::new();
    while let Some(event) = run.next_event().await {
        if let RunEvent::Stdout(bytes) = event {
            seen.extend_from_slice(&bytes);
            if String::from_utf8_lossy(&seen).contains(text) {
                return;
            }
        }
    }
    panic!("{runs:?} never printed {text}");
}

/// Waits until this process has no VM; what was dropped ends as soon as the runtime gets to it.
async fn no_vm_runs() {
    for _ in 0..600 {
        if children().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a VM still runs: {}", children());
}

async fn running(run: Run<VmRun>) -> Box<VmExecSoFar> {
    match run.finish().await.unwrap() {
        VmRun::Running(so_far) => so_far,
        VmRun::Ended(exec) => panic!("{exec:?}"),
    }
}

async fn ended(run: Run<VmRun>) -> Box<VmExec> {
    match run.finish().await.unwrap() {
        VmRun::Ended(exec) => exec,
        VmRun::Running(so_far) => panic!("{so_far:?}"),
    }
}

/// A run that was left once its command printed `begun`.
async fn leave(runs: &BackgroundRuns, command: &str) -> VmId {
    let mut run = runs.start(shell(command));
    printed(runs, &mut run, "begun").await;
    run.control().leave();
    let so_far = running(run).await;
    assert_eq!(
        (so_far.outcome, so_far.stdout.as_str()),
        (ExecOutcome::Running, "begun\n")
    );
    assert!(so_far.isolation.is_some() && so_far.boot_ms.is_some());
    so_far.vm_id
}

#[test]
fn a_run_that_was_left_is_followed_again_and_its_end_is_kept() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let runs = BackgroundRuns::new(&pyro);
        let id = leave(&runs, "echo begun; sleep 3; echo ended; exit 4").await;
        // Who follows and stops to, changes nothing.
        drop(runs.follow(&id).unwrap());
        let again = runs.follow(&id).unwrap();
        again.control().leave();
        assert_eq!(running(again).await.vm_id, id);
        let exec = ended(runs.follow(&id).unwrap()).await;
        assert_eq!(
            (exec.exit_code, exec.stdout.as_str()),
            (Some(4), "begun\nended\n")
        );
        // Whoever comes later, in whichever process.
        let others = BackgroundRuns::new(&pyro);
        assert_eq!(ended(others.follow(&id).unwrap()).await.stdout, exec.stdout);
        assert!(matches!(others.state(&id).unwrap(), VmRun::Ended(_)));
    });
}

#[test]
fn a_run_ends_with_its_first_follower_unless_that_leaves_it() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let runs = BackgroundRuns::new(&pyro);
        let mut run = runs.start(shell("echo begun; sleep 600"));
        printed(&runs, &mut run, "begun").await;
        drop(run);
        let id = leave(&runs, "echo begun; sleep 600").await;
        // Any follower may end it.
        let run = runs.follow(&id).unwrap();
        run.control().cancel();
        let exec = ended(run).await;
        assert_eq!(
            (exec.outcome, exec.exit_code),
            (ExecOutcome::Cancelled, Some(130))
        );
    });
    host.block_on(no_vm_runs());
}

#[test]
fn runs_end_with_whoever_keeps_them() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let runs = BackgroundRuns::new(&pyro);
        let willing = leave(&runs, "echo begun; sleep 600").await;
        let waiting = runs.follow(&willing).unwrap();
        runs.close(Duration::from_secs(60)).await;
        assert_eq!(ended(waiting).await.outcome, ExecOutcome::Cancelled);
        assert_eq!(
            ended(runs.follow(&willing).unwrap()).await.outcome,
            ExecOutcome::Cancelled
        );

        let deaf = leave(&runs, "trap '' TERM; echo begun; while :; do sleep 1; done").await;
        let waiting = runs.follow(&deaf).unwrap();
        runs.close(Duration::from_millis(100)).await;
        assert_eq!(waiting.finish().await.unwrap_err().code(), ErrorCode::Cancelled);
        assert_eq!(runs.state(&deaf).unwrap_err().code(), ErrorCode::VmNotFound);

        let dropped = leave(&runs, "echo begun; sleep 600").await;
        drop(runs);
        let others = BackgroundRuns::new(&pyro);
        assert_eq!(others.state(&dropped).unwrap_err().code(), ErrorCode::VmNotFound);
    });
    host.block_on(no_vm_runs());
}
