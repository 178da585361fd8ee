//! The result of a run, from everything that is known at its end.

use std::collections::BTreeMap;

use pyro_proto::message::{Ended, Outcome};

use super::Command;
use super::follow::End;
use crate::environment::BootableEnvironment;
use crate::guest;
use crate::id::VmId;
use crate::isolation::Isolation;
use crate::object::{Cleanup, CleanupReason, ExecOutcome, VmExec};
use crate::output::KeptOutput;
use crate::start::{Clock, StartKind};
use crate::vm::LiveVm;
use crate::vmm::MachineFacts;

/// The exit code of a command whose time was up.
const TIMED_OUT: i32 = 124;

/// The exit code of a command that the caller ended.
const CANCELLED: i32 = 130;

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
            boot_ms: super::millis(vm.timing().boot()),
            metadata,
        }
    }
}

/// Everything that a result is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) vm_id: VmId,
    pub(super) environment: BootableEnvironment,
    pub(super) command: Command,
    pub(super) end: End,
    pub(super) kept: KeptOutput,
    pub(super) facts: VmFacts,
    pub(super) warnings: Vec<String>,
    pub(super) clock: Clock,
}

/// Puts the result together.
pub(super) fn assemble(parts: Parts) -> VmExec {
    let Parts {
        vm_id,
        environment,
        command,
        end,
        kept,
        facts,
        mut warnings,
        clock,
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
        environment: environment.name,
        environment_version: environment.version,
        environment_digest: environment.digest,
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
        diff: None,
        exports: None,
        skipped: None,
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

/// How a command ended, as the caller sees it.
#[derive(Debug)]
struct Ending {
    outcome: ExecOutcome,
    exit_code: i32,
    signal: Option<i32>,
    oom_killed: bool,
    duration_ms: u64,
    warning: Option<String>,
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        match end {
            End::Reported(ended) => Self::reported(&ended),
            End::Forced { cancelled } => Self {
                outcome: if cancelled {
                    ExecOutcome::Cancelled
                } else {
                    ExecOutcome::TimedOut
                },
                exit_code: if cancelled { CANCELLED } else { TIMED_OUT },
                signal: None,
                oom_killed: false,
                duration_ms: 0,
                warning: Some("the guest did not end the command in time, so its VM was ended".to_owned()),
            },
        }
    }
}

impl Ending {
    fn reported(ended: &Ended) -> Self {
        let signal = (ended.signal > 0).then_some(ended.signal & 0x7f);
        // What the guest reports is its own word: bounded to what an exit status can be.
        let status = ended.status & 0xff;
        let (outcome, exit_code) = match Outcome::try_from(ended.outcome) {
            Ok(Outcome::Exited) => (ExecOutcome::Exited, status),
            Ok(Outcome::NotStarted) => (ExecOutcome::NotStarted, status),
            Ok(Outcome::TimedOut) => (ExecOutcome::TimedOut, TIMED_OUT),
            Ok(Outcome::Cancelled) => (ExecOutcome::Cancelled, CANCELLED),
            Ok(Outcome::Signaled | Outcome::Unknown) | Err(_) => {
                (ExecOutcome::Signaled, 128 + signal.unwrap_or(0))
            }
        };
        let warning = (!ended.message.is_empty()).then(|| guest::printable(&ended.message));
        Self {
            outcome,
            exit_code,
            signal,
            oom_killed: ended.oom_killed,
            duration_ms: ended.duration_us / 1000,
            warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(outcome: Outcome, status: i32, signal: i32) -> Ending {
        Ending::reported(&Ended {
            outcome: outcome as i32,
            status,
            signal,
            ..Ended::default()
        })
    }

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        assert_eq!(ended(Outcome::Exited, 7, 0).exit_code, 7);
        assert_eq!(ended(Outcome::Signaled, 0, 9).exit_code, 137);
        assert_eq!(ended(Outcome::NotStarted, 127, 0).exit_code, 127);
        assert_eq!(ended(Outcome::TimedOut, 0, 15).exit_code, 124);
        assert_eq!(ended(Outcome::Cancelled, 0, 15).exit_code, 130);
    }

    #[test]
    fn a_lying_guest_gets_no_exit_code_out_of_range() {
        assert_eq!(ended(Outcome::Exited, 100_000, 0).exit_code, 100_000 & 0xff);
        assert_eq!(ended(Outcome::Exited, -1, 0).exit_code, 255);
        let odd = Ending::reported(&Ended {
            outcome: 99,
            signal: i32::MAX,
            ..Ended::default()
        });
        assert!((128..=255).contains(&odd.exit_code));
    }
}
