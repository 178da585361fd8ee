//! One command's end as text.

mod notes;

use pyro::object::{ExecOutcome, SkippedFile, VmExec, VmExecSoFar, VmmKind, WorkspaceExec};
use pyro::{Isolation, Phase, Signal, VmId};

use self::notes::notes;
use super::stream::{Limit, More, Stream, shorten_stream, write_stream};
use crate::progress::phase_message;

/// What a command does that has begun and not ended.
const RUNNING: &str = "running";

/// What the text says about a command.
#[derive(Debug, Clone)]
pub(crate) struct Execution<'a> {
    pub(crate) outcome: ExecOutcome,
    /// What is being done while it has not ended.
    pub(crate) doing: &'static str,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    pub(crate) duration_ms: u64,
    /// Isolation and VMM, as in `hardware/firecracker`.
    pub(crate) tier: String,
    pub(crate) place: Place<'a>,
    pub(crate) stdout: Stream<'a>,
    pub(crate) stderr: Stream<'a>,
    pub(crate) warnings: &'a [String],
    /// What it changed, as text, if that was asked for.
    pub(crate) changes: Option<String>,
    /// What its VM's seed lacks.
    pub(crate) skipped: &'a [SkippedFile],
}

/// Where a command ran.
#[derive(Debug, Clone)]
pub(crate) enum Place<'a> {
    /// In a VM of its own.
    Vm {
        environment: &'a str,
        vm_id: VmId,
        deleted: bool,
        /// Whether it was made, with its size, by a call before.
        is_created: bool,
    },
    /// In a workspace.
    Workspace {
        workspace_id: &'a str,
        sequence: u64,
        left_running: u32,
        auto_started: bool,
    },
}

impl<'a> From<&'a VmExec> for Execution<'a> {
    fn from(exec: &'a VmExec) -> Self {
        Self {
            outcome: exec.outcome,
            doing: RUNNING,
            exit_code: exec.exit_code,
            signal: exec.signal,
            oom_killed: exec.oom_killed,
            duration_ms: exec.duration_ms,
            tier: format!("{}/{}", exec.isolation, name(&exec.vmm)),
            place: Place::Vm {
                environment: &exec.environment,
                vm_id: exec.cleanup.vm_id,
                deleted: exec.cleanup.deleted,
                is_created: false,
            },
            stdout: Stream {
                text: &exec.stdout,
                omitted_bytes: exec.stdout_info.omitted_bytes,
            },
            stderr: Stream {
                text: &exec.stderr,
                omitted_bytes: exec.stderr_info.omitted_bytes,
            },
            warnings: &exec.warnings,
            changes: None,
            skipped: exec.skipped.as_deref().unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a VmExecSoFar> for Execution<'a> {
    fn from(exec: &'a VmExecSoFar) -> Self {
        Self {
            outcome: exec.outcome,
            doing: match exec.phase {
                Phase::Running => RUNNING,
                phase => phase_message(phase),
            },
            exit_code: None,
            signal: None,
            oom_killed: false,
            duration_ms: exec.duration_ms,
            tier: tier(exec.isolation.as_ref(), exec.vmm.as_ref()),
            place: Place::Vm {
                environment: &exec.environment,
                vm_id: exec.vm_id,
                deleted: false,
                is_created: false,
            },
            stdout: Stream {
                text: &exec.stdout,
                omitted_bytes: exec.stdout_info.omitted_bytes,
            },
            stderr: Stream {
                text: &exec.stderr,
                omitted_bytes: exec.stderr_info.omitted_bytes,
            },
            warnings: &exec.warnings,
            changes: None,
            skipped: &[],
        }
    }
}

impl<'a> Execution<'a> {
    /// A command in a VM made for it, with what it changed if that was asked for.
    pub(crate) fn of_run(exec: &'a VmExec, changes: Option<String>) -> Self {
        Self {
            changes,
            ..Self::from(exec)
        }
    }

    /// The command of a VM that was made ahead of it.
    pub(crate) fn of_created_vm(exec: &'a VmExec) -> Self {
        let mut execution = Self::from(exec);
        if let Place::Vm { is_created, .. } = &mut execution.place {
            *is_created = true;
        }
        execution
    }

    /// A command in a workspace, with what it changed if that was asked for.
    pub(crate) fn in_workspace(exec: &'a WorkspaceExec, changes: Option<String>) -> Self {
        Self {
            outcome: exec.outcome,
            doing: RUNNING,
            exit_code: exec.exit_code,
            signal: exec.signal,
            oom_killed: exec.oom_killed,
            duration_ms: exec.duration_ms,
            tier: tier(exec.isolation.as_ref(), exec.vmm.as_ref()),
            place: Place::Workspace {
                workspace_id: exec.workspace_id.as_str(),
                sequence: exec.sequence,
                left_running: exec.left_running,
                auto_started: exec.auto_started,
            },
            stdout: Stream {
                text: &exec.stdout,
                omitted_bytes: exec.stdout_info.omitted_bytes,
            },
            stderr: Stream {
                text: &exec.stderr,
                omitted_bytes: exec.stderr_info.omitted_bytes,
            },
            warnings: &exec.warnings,
            changes,
            skipped: &[],
        }
    }

    fn limit(&self, max_chars: usize) -> Limit {
        let more = match self.place {
            Place::Vm { vm_id, .. } => More::Run(vm_id),
            Place::Workspace { sequence, .. } => More::Logs { sequence, offset: 0 },
        };
        Limit { max_chars, more }
    }
}

fn tier(isolation: Option<&Isolation>, vmm: Option<&VmmKind>) -> String {
    match (isolation, vmm) {
        (Some(isolation), Some(vmm)) => format!("{isolation}/{}", name(vmm)),
        _ => "no VM".to_owned(),
    }
}

fn name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

/// Writes a command's end: status, streams, what it changed, warnings, next step.
pub(crate) fn write_execution(execution: &Execution<'_>, max_chars: usize) -> String {
    let mut text = status_line(execution);
    text.push('\n');
    let streams = [("stdout", execution.stdout), ("stderr", execution.stderr)];
    let mut empty = true;
    for (heading, stream) in streams {
        if !stream.text.is_empty() || stream.omitted_bytes > 0 {
            write_stream(&mut text, heading, stream, execution.limit(max_chars));
            empty = false;
        }
    }
    if empty {
        text.push_str("\n(no output)\n");
    }
    if let Some(changes) = &execution.changes {
        text.push_str("\ndiff: ");
        text.push_str(changes);
    }
    let notes = notes(execution);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    text
}

fn status_line(execution: &Execution<'_>) -> String {
    let (ending, tier) = (ending(execution), &execution.tier);
    match &execution.place {
        Place::Vm {
            environment,
            vm_id,
            deleted,
            ..
        } => {
            let fate = match (execution.outcome, deleted) {
                (ExecOutcome::Running, _) => "not done",
                (_, true) => "deleted",
                (_, false) => "not deleted",
            };
            format!("{ending} · {environment} · {tier} · VM {vm_id} {fate}")
        }
        Place::Workspace {
            workspace_id,
            sequence,
            ..
        } => format!("{ending} · workspace {workspace_id} #{sequence} · {tier}"),
    }
}

fn ending(execution: &Execution<'_>) -> String {
    let code = match execution.exit_code {
        Some(code) => format!("exit {code}"),
        None => "no exit code".to_owned(),
    };
    let time = seconds(execution.duration_ms);
    let ending = match execution.outcome {
        ExecOutcome::Exited => format!("{code} in {time}"),
        ExecOutcome::Signaled => {
            let signal = execution
                .signal
                .map_or_else(|| "a signal".to_owned(), signal_name);
            format!("killed by {signal} after {time}, {code}")
        }
        ExecOutcome::NotStarted => format!("not started, {code}"),
        ExecOutcome::TimedOut => format!("timed out after {time}, {code}"),
        ExecOutcome::Running => format!("still {} after {time}", execution.doing),
        ExecOutcome::Cancelled => format!("cancelled after {time}, {code}"),
        other => format!("{} after {time}, {code}", name(&other)),
    };
    if execution.oom_killed {
        format!("{ending}, out of memory")
    } else {
        ending
    }
}

pub(super) fn seconds(milliseconds: u64) -> String {
    let tenths = milliseconds.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn signal_name(signal: i32) -> String {
    match Signal::from_number(signal) {
        Some(known) => format!("signal {signal} ({})", known.name()),
        None => format!("signal {signal}"),
    }
}

/// Cuts the streams of an object as the text does, keeping terminal control sequences.
pub(crate) fn shorten(exec: &mut VmExec, max_chars: usize) {
    let limit = Execution::from(&*exec).limit(max_chars);
    shorten_stream("stdout", &mut exec.stdout, &mut exec.stdout_info, limit);
    shorten_stream("stderr", &mut exec.stderr, &mut exec.stderr_info, limit);
}

/// The same for one that goes on.
pub(crate) fn shorten_so_far(exec: &mut VmExecSoFar, max_chars: usize) {
    let limit = Execution::from(&*exec).limit(max_chars);
    shorten_stream("stdout", &mut exec.stdout, &mut exec.stdout_info, limit);
    shorten_stream("stderr", &mut exec.stderr, &mut exec.stderr_info, limit);
}

/// The same for a command in a workspace.
pub(crate) fn shorten_kept(exec: &mut WorkspaceExec, max_chars: usize) {
    let limit = Execution::in_workspace(exec, None).limit(max_chars);
    shorten_stream("stdout", &mut exec.stdout, &mut exec.stdout_info, limit);
    shorten_stream("stderr", &mut exec.stderr, &mut exec.stderr_info, limit);
}

#[cfg(test)]
mod tests;
