//! The command of a VM that ends with it, and what came of it.

use pyro::object::{VmExec, VmExecSoFar};
use pyro::{LogStream, VmId};
use rmcp::model::{ContentBlock, JsonObject};
use serde_json::{Map, Value, json};

use super::workspace::{FILE_CHARS, TOTAL_CHARS};
use super::{Answer, object};
use crate::options::Structured;
use crate::render::{Execution, keep_within, shorten, shorten_so_far, write_changes_of_run, write_execution};
use crate::resource::{Address, RunPart, ShownStream, link_to_patch, links_to_output};

/// When the VM of a command was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// For this command, by the same call.
    WithIt,
    /// By a call before.
    Before,
}

/// The answer of a command that ended, and whose result is kept.
pub(super) fn ended(structured: Structured, mut exec: VmExec, made: Made, max_chars: usize) -> Answer {
    let changes = exec.diff.as_deref_mut().map(|diff| {
        keep_within(diff, FILE_CHARS, TOTAL_CHARS);
        write_changes_of_run(&object(diff))
    });
    let shown = match made {
        Made::WithIt => Execution::of_run(&exec, changes),
        Made::Before => Execution::of_created_vm(&exec),
    };
    let text = write_execution(&shown, max_chars);
    let streams = [
        (LogStream::Stdout, exec.stdout.as_str(), &exec.stdout_info),
        (LogStream::Stderr, exec.stderr.as_str(), &exec.stderr_info),
    ];
    let mut links = links_to_run(exec.vm_id, streams, max_chars);
    let changes = Address::Run(exec.vm_id, RunPart::Diff);
    links.extend(link_to_patch(exec.diff.as_deref(), &changes));
    let structured = structured.where_asked_for(|| {
        shorten(&mut exec, max_chars);
        object(&exec)
    });
    Answer {
        text,
        structured,
        links,
        goes_on: None,
    }
}

/// The answer of a command that outlives its call.
pub(super) fn running(structured: Structured, mut exec: VmExecSoFar, max_chars: usize) -> Answer {
    let text = write_execution(&Execution::from(&exec), max_chars);
    let streams = [
        (LogStream::Stdout, exec.stdout.as_str(), &exec.stdout_info),
        (LogStream::Stderr, exec.stderr.as_str(), &exec.stderr_info),
    ];
    let links = links_to_run(exec.vm_id, streams, max_chars);
    let structured = structured.where_asked_for(|| {
        shorten_so_far(&mut exec, max_chars);
        object(&exec)
    });
    Answer {
        text,
        structured,
        links,
        goes_on: None,
    }
}

fn links_to_run(vm_id: VmId, streams: [ShownStream<'_>; 2], max_chars: usize) -> Vec<ContentBlock> {
    links_to_output(streams, max_chars, |stream| {
        Address::Run(vm_id, RunPart::Output(stream))
    })
}

/// The schema of *VM exec*. Nothing is required, so that errors conform too; fields that may be `null` are left to the
/// properties that a schema does not name, for a type array is what several hosts reject.
pub(super) fn output_schema() -> JsonObject {
    let stream_info =
        json!({"type": "object", "description": "bytes, encoding, truncated, omitted_bytes, stored_bytes"});
    let properties = json!({
        "vm_id": {"type": "string", "description": "The VM; it is gone unless the command runs"},
        "environment": {"type": "string", "description": "As the call named it"},
        "command": {"type": "string", "description": "What ran"},
        "stdout": {"type": "string", "description": "Standard output, cut to max_output_chars"},
        "stderr": {"type": "string", "description": "Standard error, cut to max_output_chars"},
        "stdout_info": stream_info,
        "stderr_info": stream_info,
        "outcome": {
            "type": "string",
            "description": "How it ended: exited, signaled, not_started, timed_out, cancelled; or running",
        },
        "oom_killed": {"type": "boolean", "description": "Whether the guest ran out of memory"},
        "timed_out": {"type": "boolean", "description": "Whether its time was up"},
        "cancelled": {"type": "boolean", "description": "Whether the caller ended it"},
        "duration_ms": {"type": "integer", "description": "How long it took"},
        "execution_mode": {"type": "string", "description": "How host and guest talked"},
        "warnings": {"type": "array", "items": {"type": "string"}, "description": "What was skipped or guessed"},
        "metadata": {"type": "object", "description": "Further facts"},
        "error": {"type": "object", "description": "code, message, hint, details; instead of all others"},
    });
    let mut schema: Map<String, Value> = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties);
    schema
}
