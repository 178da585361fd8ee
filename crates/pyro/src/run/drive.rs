//! A run from its request to its result: a VM, the command in it, the VM's end.

use tokio::sync::mpsc;

use super::error::{CancelledEarly, Unexported};
use super::harvest::{Harvest, Wanted};
use super::so_far::{Place, SoFar};
use super::start::{Ready, start};
use super::tree::{self, VmTree};
use super::{Phase, RunEvent, RunRequest, result};
use crate::Pyro;
use crate::command::{Follower, Wishes};
use crate::error::Result;
use crate::object::VmExec;
use crate::start::{Clock, StartedVm};

/// Runs a request to its result. Dropping the future at any point leaves nothing behind.
pub(super) async fn drive(
    pyro: Pyro,
    request: RunRequest,
    so_far: SoFar,
    events: mpsc::Sender<RunEvent>,
    mut wishes: Wishes,
) -> Result<VmExec> {
    request.validate(&pyro)?;
    let wanted = Wanted::plan(&request)?;
    let vm_id = so_far.vm_id();
    tracing::debug!(%vm_id, command = %request.command, "run");
    let mut clock = Clock::start();
    let started = tokio::select! {
        started = start(&pyro, &request, vm_id, &events, &mut clock) => started,
        () = wishes.wish.any() => Err(CancelledEarly.into()),
    };
    let Ready {
        ground,
        origin,
        started,
        exec,
        seeded,
    } = started?;
    let StartedVm {
        mut vm,
        call,
        isolation,
        kind,
        warnings,
    } = started;

    so_far.settle(Place::of(&origin, &vm, isolation, warnings.clone()));
    super::tell(&events, RunEvent::Phase(Phase::Running)).await;
    let command = request.command.clone();
    let capacity = tree::capacity_bytes(&request, seeded.as_ref());
    let mut follower = Follower::new(&mut vm, &events, &mut wishes, so_far.output().clone());
    let end = follower.run(exec, call, request.stdin).await?;
    let wish = follower.wish();
    tracing::debug!(%vm_id, ?end, "the command ended");
    clock.lap("command");

    let harvest = if wanted.is_nothing() {
        Harvest::default()
    } else if end.is_forced() || end.is_cancelled() {
        wanted.forgo()
    } else {
        let _untold = events.try_send(RunEvent::Phase(Phase::Exporting));
        let tree = VmTree::open(&mut vm, vm_id, isolation, capacity).await;
        let stop = async {
            wishes.wish.more_urgent_than(wish).await;
        };
        let harvest = wanted.harvest(tree, stop).await;
        clock.lap("export");
        harvest
    };

    // A VM is not kept for a caller who takes no events.
    let _untold = events.try_send(RunEvent::Phase(Phase::Removing));
    let facts = result::VmFacts::of(&mut vm, (isolation, kind), &end).await;
    vm.kill().await;
    ground.leave().await;
    clock.lap("remove");
    let warnings = origin.warnings.iter().cloned().chain(warnings);
    let (skipped, of_seed) = seeded.map_or((None, Vec::new()), |seeded| {
        (Some(seeded.seed.skipped), seeded.warnings)
    });
    let warnings = warnings.chain(of_seed).chain(harvest.warnings).collect();
    let exec = result::assemble(result::Parts {
        vm_id,
        warnings,
        origin,
        command,
        end,
        kept: so_far.output().take(),
        facts,
        clock,
        diff: harvest.diff,
        exports: harvest.exports,
        skipped,
    });
    Ok(Unexported::unless_empty(exec, harvest.failures)?)
}
