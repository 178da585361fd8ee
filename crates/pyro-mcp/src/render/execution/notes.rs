//! What is to be said about a command besides how it ended and what it printed.

use std::fmt::Write as _;

use pyro::object::ExecOutcome;

use super::{Execution, Place};
use crate::render::json::line;

/// The exit code of a shell, and of pyro, for a program that is missing.
const PROGRAM_NOT_FOUND: i32 = 127;

/// How many files that a seed lacks are told of one by one.
const SKIPPED: usize = 20;

/// Warnings, what is missing, and the next step, one line each.
pub(super) fn notes(execution: &Execution<'_>) -> String {
    let mut notes = String::new();
    for warning in execution.warnings {
        // Writing to a string cannot fail.
        let _ = writeln!(notes, "warning: {warning}");
    }
    for file in execution.skipped.iter().take(SKIPPED) {
        let _ = writeln!(notes, "skipped: {} ({})", line(&file.path), line(&file.reason));
    }
    if let Some(more) = execution
        .skipped
        .len()
        .checked_sub(SKIPPED)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(notes, "skipped: {more} more");
    }
    if let Place::Workspace {
        left_running,
        auto_started,
        ..
    } = execution.place
    {
        if auto_started {
            notes.push_str("note: the workspace had stopped, and was started for this command\n");
        }
        if left_running > 0 {
            let _ = writeln!(notes, "note: processes left running: {left_running}");
        }
    }
    if execution.outcome == ExecOutcome::Running {
        let way = match &execution.place {
            Place::Workspace { sequence, .. } => format!("workspace_logs sequence={sequence}"),
            Place::Vm { vm_id, .. } => format!("vm_run vm_id={vm_id}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            notes,
            "hint: it goes on; wait for it by {way} wait_seconds=25, do not run it again"
        );
    }
    if execution.outcome == ExecOutcome::TimedOut {
        notes.push_str("hint: raise timeout_seconds; only what was printed until then is known\n");
    }
    if execution.oom_killed {
        notes.push_str(match execution.place {
            Place::Vm {
                is_created: false, ..
            } => "hint: raise mem_mib\n",
            Place::Vm { is_created: true, .. } => "hint: create a VM with more mem_mib\n",
            Place::Workspace { .. } => "hint: create a workspace with more mem_mib\n",
        });
    }
    if execution.exit_code == Some(PROGRAM_NOT_FOUND) {
        notes.push_str("hint: if a program was not found, choose an environment that has it; there is no network to install it\n");
    }
    notes
}
