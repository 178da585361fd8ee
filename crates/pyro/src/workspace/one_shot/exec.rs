//! The command of a one-shot VM, after which there is no VM any more.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Vm;
use crate::argument::InvalidArgument;
use crate::command::Wishes;
use crate::error::{Diagnosis, Error, ErrorCode, Result};
use crate::id::VmId;
use crate::object::{Cleanup, CleanupReason, VmExec, WorkspaceExec, unisolated};
use crate::run::{Phase, Run, RunEvent};
use crate::workspace::error::WorkspaceError;
use crate::workspace::exec::{self, Begun, ExecRequest, NotBegun, Place};
use crate::workspace::ground;
use crate::workspace::handle::{EXCLUSION_BOUND, EXCLUSION_CHECK, busy};
use crate::workspace::info::shown;
use crate::workspace::live::VmFacts;
use crate::workspace::record::{Record, State};

/// How long a supervisor whose VM had its command may take to remove it.
const REMOVAL_BOUND: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const REMOVAL_CHECK: Duration = Duration::from_millis(5);

/// A command that began and was not followed to its end.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
struct Unfinished {
    vm_id: VmId,
    is_deleted: bool,
    #[source]
    source: Error,
}

impl Diagnosis for Unfinished {
    fn code(&self) -> ErrorCode {
        self.source.code()
    }

    fn hint(&self) -> Option<String> {
        // What the caller can do about a command, such as one without a shell, is to be said; a VM is not kept for it.
        match self.source.code() {
            ErrorCode::GuestLost | ErrorCode::Cancelled => Some("the VM is gone; create another".to_owned()),
            _ => self.source.hint(),
        }
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let mut details = self.source.details().unwrap_or_default();
        let cleanup = cleanup(self.vm_id, self.is_deleted, CleanupReason::RunVmErrorCleanup);
        details.insert("cleanup".to_owned(), json!(cleanup));
        Some(details)
    }
}

impl Vm {
    /// Starts its command and hands over its events as they come. The VM must run, and is deleted when the command
    /// ended, whatever came of it; also if this is dropped, or its process killed.
    ///
    /// Must be called within a tokio runtime.
    pub fn start_exec(&self, request: ExecRequest) -> Run<VmExec> {
        let vm = self.clone();
        Run::spawn(|events, wishes| async move { vm.drive(request, events, wishes).await })
    }

    /// Runs its command to its end, and deletes it.
    ///
    /// # Errors
    /// `invalid-state` if it does not run or had its command, and it stays as it is; `vm-not-found`; whatever kept the
    /// command from running, or from being followed to its end. A command that fails is no error.
    pub async fn exec(&self, request: ExecRequest) -> Result<VmExec> {
        self.start_exec(request).finish().await
    }

    async fn drive(
        &self,
        request: ExecRequest,
        events: mpsc::Sender<RunEvent>,
        wishes: Wishes,
    ) -> Result<VmExec> {
        request.validate()?;
        if request.return_diff {
            return Err(NO_TREE.into());
        }
        let dir = self.kept.dir();
        let deadline = Instant::now() + EXCLUSION_BOUND;
        let (record, facts, place, begun) = loop {
            let (record, facts) = self.started(deadline).await?;
            let place = self.place(&dir, &request, (&record, &facts))?;
            match exec::begin(&place, &request).await {
                Ok(begun) => break (record, facts, place, begun),
                Err(NotBegun::NotNow(error)) if Instant::now() >= deadline => return Err(error),
                // It is being stopped or deleted; what comes of that decides.
                Err(NotBegun::NotNow(_)) => tokio::time::sleep(EXCLUSION_CHECK).await,
                Err(NotBegun::Refused(error)) => return Err(error),
            }
        };
        self.follow(&place, begun, request, (events, wishes), (record, facts))
            .await
    }

    async fn follow(
        &self,
        place: &Place<'_>,
        begun: Begun,
        request: ExecRequest,
        (events, wishes): (mpsc::Sender<RunEvent>, Wishes),
        known: (Record, VmFacts),
    ) -> Result<VmExec> {
        let followed = exec::follow(place, begun, request.stdin, &events, wishes).await;
        // Nobody has to take events for the VM to go.
        let _untold = events.try_send(RunEvent::Phase(Phase::Removing));
        let is_deleted = self.is_removed().await;
        match followed {
            Ok(exec) => Ok(assemble(known, exec, is_deleted)),
            Err(source) => Err(Unfinished {
                vm_id: self.id(),
                is_deleted,
                source,
            }
            .into()),
        }
    }

    /// Its record and its VM, once nobody moves it any more.
    async fn started(&self, deadline: Instant) -> Result<(Record, VmFacts)> {
        loop {
            let found = self.find()?;
            let record = found.record?;
            let vm = found.live.and_then(|live| live.vm);
            match (record.state, vm) {
                (State::Started, Some(vm)) => return Ok((record, vm)),
                (state @ (State::Created | State::Stopped), _) => {
                    let shown = shown(&record);
                    let hint = format!("start it first: `vm_start vm_id={shown}`");
                    return Err(WorkspaceError::State { shown, state, hint }.into());
                }
                _ if Instant::now() >= deadline => return Err(busy(&record).into()),
                _ => tokio::time::sleep(EXCLUSION_CHECK).await,
            }
        }
    }

    fn place<'a>(
        &self,
        dir: &'a std::path::Path,
        request: &ExecRequest,
        (record, facts): (&Record, &VmFacts),
    ) -> Result<Place<'a>> {
        let pyro = self.kept.pyro();
        Ok(Place {
            id: self.id(),
            dir,
            record: record.clone(),
            defaults: ground::defaults(pyro, record)?,
            output_limit: request
                .output_limit
                .unwrap_or_else(|| pyro.settings().output_limit),
            auto_started: false,
            vm: Some(facts.clone()),
        })
    }

    /// Waits until its supervisor has removed it, or removes it if that is gone.
    async fn is_removed(&self) -> bool {
        let deadline = Instant::now() + REMOVAL_BOUND;
        loop {
            match self.kept.store().find(self.id()) {
                Err(error) if error.is_absence() => return true,
                _ if Instant::now() >= deadline => return false,
                _ => tokio::time::sleep(REMOVAL_CHECK).await,
            }
        }
    }
}

/// A VM has no tree that could differ.
const NO_TREE: InvalidArgument = InvalidArgument::Malformed {
    name: "return_diff",
    problem: "is for workspaces: a one-shot VM has no tree",
    given: String::new(),
};

fn cleanup(vm_id: VmId, deleted: bool, reason: CleanupReason) -> Cleanup {
    Cleanup {
        vm_id,
        deleted,
        reason,
    }
}

fn assemble((record, facts): (Record, VmFacts), exec: WorkspaceExec, is_deleted: bool) -> VmExec {
    let vm_id = record.workspace_id;
    let known = unisolated(Some(facts.isolation));
    let of_command = exec.warnings.into_iter();
    let of_command = of_command
        .filter(|warning| Some(warning) != known.as_ref())
        .collect();
    VmExec {
        vm_id,
        environment: record.environment,
        environment_version: record.environment_version,
        environment_digest: record.environment_digest,
        command: exec.command,
        stdout: exec.stdout,
        stderr: exec.stderr,
        stdout_info: exec.stdout_info,
        stderr_info: exec.stderr_info,
        exit_code: exec.exit_code,
        outcome: exec.outcome,
        signal: exec.signal,
        oom_killed: exec.oom_killed,
        timed_out: exec.timed_out,
        cancelled: exec.cancelled,
        duration_ms: exec.duration_ms,
        boot_ms: facts.boot_ms,
        diff: None,
        exports: None,
        skipped: None,
        cleanup: cleanup(vm_id, is_deleted, CleanupReason::PostExecCleanup),
        isolation: facts.isolation,
        vmm: facts.vmm,
        execution_mode: facts.execution_mode,
        // That nothing isolates it is among the VM's own.
        warnings: [record.warnings, facts.warnings, of_command].concat(),
        metadata: facts.metadata,
    }
}
