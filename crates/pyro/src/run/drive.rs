//! A run from its request to its result: a VM, the command in it, the VM's end.

use tokio::sync::mpsc;

use super::start::{Ready, start};
use super::{Phase, RunEvent, RunRequest, result};
use crate::Pyro;
use crate::command::{Follower, Wishes};
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::id::VmId;
use crate::object::VmExec;
use crate::output::KeptOutput;
use crate::start::{Clock, StartedVm};

/// The caller ended the run before its command ran.
#[derive(Debug, thiserror::Error)]
#[error("the run was cancelled before its command ran")]
struct CancelledEarly;

impl Diagnosis for CancelledEarly {
    fn code(&self) -> ErrorCode {
        ErrorCode::Cancelled
    }

    fn hint(&self) -> Option<String> {
        Some("nothing was left behind; run it again".to_owned())
    }
}

/// Runs a request to its result. Dropping the future at any point leaves nothing behind.
pub(super) async fn drive(
    pyro: Pyro,
    request: RunRequest,
    events: mpsc::Sender<RunEvent>,
    mut wishes: Wishes,
) -> Result<VmExec> {
    request.validate(&pyro)?;
    let vm_id = VmId::random();
    tracing::debug!(%vm_id, command = %request.command, "run");
    let mut clock = Clock::start();
    let started = tokio::select! {
        started = start(&pyro, &request, vm_id, &events, &mut clock) => started,
        () = wishes.wish.any() => Err(CancelledEarly.into()),
    };
    let Ready {
        environment,
        started,
        exec,
        reservation,
    } = started?;
    let StartedVm {
        mut vm,
        call,
        isolation,
        kind,
        warnings,
    } = started;

    super::tell(&events, RunEvent::Phase(Phase::Running)).await;
    let limit = request
        .output_limit
        .unwrap_or_else(|| pyro.settings().output_limit);
    let command = request.command.clone();
    let mut follower = Follower::new(&mut vm, &events, &mut wishes, KeptOutput::new(limit));
    let end = follower.run(exec, call, request.stdin).await?;
    let kept = follower.into_kept();
    tracing::debug!(%vm_id, ?end, "the command ended");
    clock.lap("command");

    // A VM is not kept for a caller who takes no events.
    let _untold = events.try_send(RunEvent::Phase(Phase::Removing));
    let facts = result::VmFacts::of(&mut vm, (isolation, kind), &end).await;
    vm.kill().await;
    drop(reservation);
    clock.lap("remove");
    Ok(result::assemble(result::Parts {
        vm_id,
        warnings: environment.warnings.iter().cloned().chain(warnings).collect(),
        environment,
        command,
        end,
        kept,
        facts,
        clock,
    }))
}
