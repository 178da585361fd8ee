//! The result of a run, from everything that is known at its end.

use std::collections::BTreeMap;

use super::start::Origin;
use crate::command::{Command, End, Ending, millis};
use crate::guest;
use crate::id::VmId;
use crate::isolation::Isolation;
use crate::object::{
    Cleanup, CleanupReason, ExecOutcome, SkippedFile, VmExec, WorkspaceDiff, WorkspaceExport,
};
use crate::output::KeptOutput;
use crate::start::{Clock, StartKind};
use crate::vm::LiveVm;
use crate::vmm::MachineFacts;

/// What is known of a VM before it goes.
#[derive(Debug)]
pub(super) struct VmFacts {
    machine: MachineFacts,
    isolation: Isolation,
    boot_ms: u64,
    metadata: BTreeMap<String, String>,
}

impl VmFacts {
    /// Asks what has to be asked while the VM runs.
    pub(super) async fn of(vm: &mut LiveVm, (isolation, kind): (Isolation, StartKind), end: &End) -> Self {
        let machine = vm.facts().clone();
        let mut metadata: BTreeMap<String, String> = [
            ("start_kind".to_owned(), kind.as_str().to_owned()),
            ("confinement".to_owned(), machine.confinement.clone()),
        ]
        .into();
        let hello = vm.hello();
        metadata.insert("kernel".to_owned(), guest::printable(&hello.kernel_release));
        metadata.insert("agent_version".to_owned(), guest::printable(&hello.agent_version));
        if let Some(bytes) = vm.resident_bytes() {
            metadata.insert("vmm_resident_mib".to_owned(), (bytes >> 20).to_string());
        }
        // A VMM whose guest hangs may itself be stuck.
        if !end.is_forced()
            && let Some(version) = vm.vmm_version().await
        {
            metadata.insert("vmm_version".to_owned(), version);
        }
        Self {
            machine,
            isolation,
            boot_ms: millis(vm.timing().boot()),
            metadata,
        }
    }
}

/// Everything that a result is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) vm_id: VmId,
    pub(super) origin: Origin,
    pub(super) command: Command,
    pub(super) end: End,
    pub(super) kept: KeptOutput,
    pub(super) facts: VmFacts,
    pub(super) warnings: Vec<String>,
    pub(super) clock: Clock,
    pub(super) diff: Option<Box<WorkspaceDiff>>,
    pub(super) exports: Option<Vec<WorkspaceExport>>,
    pub(super) skipped: Option<Vec<SkippedFile>>,
}

/// Puts the result together.
pub(super) fn assemble(parts: Parts) -> VmExec {
    let Parts {
        vm_id,
        origin,
        command,
        end,
        kept,
        facts,
        mut warnings,
        clock,
        diff,
        exports,
        skipped,
    } = parts;
    let ending = Ending::from(end);
    // As in `run ENV -- 'echo hi' --json`: everything after `--` is the command's.
    let is_one_quoted_line =
        matches!(&command, Command::Argv(words) if words[0].to_string_lossy().contains(' '));
    warnings.extend(ending.warning);
    warnings.extend(facts.machine.warning);
    if ending.outcome == ExecOutcome::NotStarted && is_one_quoted_line {
        warnings.push(
            "several words are a program and its arguments; one word alone is a line for the shell".into(),
        );
    }
    let mut metadata = facts.metadata;
    metadata.extend(clock.into_metadata());
    let [(stdout, stdout_info), (stderr, stderr_info)] = kept.finish();
    VmExec {
        vm_id,
        environment: origin.name,
        environment_version: origin.version,
        environment_digest: origin.digest,
        command: command.to_string(),
        stdout,
        stderr,
        stdout_info,
        stderr_info,
        exit_code: Some(ending.exit_code),
        outcome: ending.outcome,
        signal: ending.signal,
        oom_killed: ending.oom_killed,
        timed_out: ending.outcome == ExecOutcome::TimedOut,
        cancelled: ending.outcome == ExecOutcome::Cancelled,
        duration_ms: ending.duration_ms,
        boot_ms: facts.boot_ms,
        diff,
        exports,
        skipped,
        cleanup: Cleanup {
            vm_id,
            deleted: true,
            reason: CleanupReason::PostExecCleanup,
        },
        isolation: facts.isolation,
        vmm: facts.machine.vmm,
        execution_mode: facts.machine.execution_mode,
        warnings,
        metadata,
    }
}
