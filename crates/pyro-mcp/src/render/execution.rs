//! One command's end as text, and its object with the same streams.

use std::fmt::Write as _;

use pyro::object::{ExecOutcome, StreamInfo, VmExec};

use super::{clean, cut, grouped};

/// The limit that cannot be raised any further.
const MOST_OUTPUT_CHARS: usize = 200_000;

/// The exit code of a shell, and of pyro, for a program that is missing.
const PROGRAM_NOT_FOUND: i32 = 127;

/// What the text says about a command in a one-shot VM.
#[derive(Debug, Clone)]
pub(crate) struct Execution<'a> {
    pub(crate) outcome: ExecOutcome,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    pub(crate) duration_ms: u64,
    pub(crate) environment: &'a str,
    /// Isolation and VMM, as in `hardware/firecracker`.
    pub(crate) tier: String,
    pub(crate) vm_id: &'a str,
    pub(crate) deleted: bool,
    pub(crate) stdout: Stream<'a>,
    pub(crate) stderr: Stream<'a>,
    pub(crate) warnings: &'a [String],
}

/// One stream of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream<'a> {
    /// What was kept of it.
    pub(crate) text: &'a str,
    /// What was not.
    pub(crate) omitted_bytes: u64,
}

impl<'a> From<&'a VmExec> for Execution<'a> {
    fn from(exec: &'a VmExec) -> Self {
        Self {
            outcome: exec.outcome,
            exit_code: exec.exit_code,
            signal: exec.signal,
            oom_killed: exec.oom_killed,
            duration_ms: exec.duration_ms,
            environment: &exec.environment,
            tier: format!("{}/{}", exec.isolation, name(&exec.vmm)),
            vm_id: exec.cleanup.vm_id.as_str(),
            deleted: exec.cleanup.deleted,
            stdout: Stream {
                text: &exec.stdout,
                omitted_bytes: exec.stdout_info.omitted_bytes,
            },
            stderr: Stream {
                text: &exec.stderr,
                omitted_bytes: exec.stderr_info.omitted_bytes,
            },
            warnings: &exec.warnings,
        }
    }
}

fn name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

/// Writes a command's end: status, streams, warnings, next step.
pub(crate) fn write_execution(execution: &Execution<'_>, max_chars: usize) -> String {
    let mut text = status_line(execution);
    text.push('\n');
    let streams = [("stdout", execution.stdout), ("stderr", execution.stderr)];
    let mut empty = true;
    for (heading, stream) in streams {
        if !stream.text.is_empty() || stream.omitted_bytes > 0 {
            write_stream(&mut text, heading, stream, max_chars);
            empty = false;
        }
    }
    if empty {
        text.push_str("\n(no output)\n");
    }
    let notes = notes(execution);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    text
}

fn status_line(execution: &Execution<'_>) -> String {
    let fate = if execution.deleted {
        "deleted"
    } else {
        "not deleted"
    };
    format!(
        "{} · {} · {} · VM {} {fate}",
        ending(execution),
        execution.environment,
        execution.tier,
        execution.vm_id
    )
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
        ExecOutcome::Cancelled => format!("cancelled after {time}, {code}"),
        other => format!("{} after {time}, {code}", name(&other)),
    };
    if execution.oom_killed {
        format!("{ending}, out of memory")
    } else {
        ending
    }
}

fn seconds(milliseconds: u64) -> String {
    let tenths = milliseconds.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        24 => "XCPU",
        25 => "XFSZ",
        31 => "SYS",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}

fn write_stream(text: &mut String, heading: &str, stream: Stream<'_>, max_chars: usize) {
    text.push('\n');
    text.push_str(heading);
    let cleaned = clean(stream.text);
    let body = match cut(&cleaned, max_chars) {
        Some(cut) => {
            let omitted_bytes = cut.omitted_bytes + stream.omitted_bytes;
            cut.join(&gap(omitted_bytes, max_chars)).into()
        }
        None => {
            // The library left out the middle and what it kept fits: the text does not show where the gap is.
            if stream.omitted_bytes > 0 {
                let omitted = grouped(stream.omitted_bytes);
                text.push_str(&format!(" ({omitted} bytes of its middle were not kept)"));
            }
            cleaned
        }
    };
    text.push_str(":\n");
    text.push_str(&body);
    if !body.ends_with('\n') {
        text.push('\n');
    }
}

fn gap(omitted_bytes: u64, max_chars: usize) -> String {
    // With more left out than the highest limit can show, raising it is not the way.
    let is_of_use = max_chars < MOST_OUTPUT_CHARS && omitted_bytes <= MOST_OUTPUT_CHARS as u64;
    let way = if is_of_use {
        "raise max_output_chars, or print less with head, tail, grep"
    } else {
        "print less with head, tail, grep"
    };
    format!("[… {} bytes omitted; {way} …]", grouped(omitted_bytes))
}

fn notes(execution: &Execution<'_>) -> String {
    let mut notes = String::new();
    for warning in execution.warnings {
        // Writing to a string cannot fail.
        let _ = writeln!(notes, "warning: {warning}");
    }
    if execution.outcome == ExecOutcome::TimedOut {
        notes.push_str("hint: raise timeout_seconds; only what was printed until then is known\n");
    }
    if execution.oom_killed {
        notes.push_str("hint: raise mem_mib\n");
    }
    if execution.exit_code == Some(PROGRAM_NOT_FOUND) {
        notes.push_str("hint: if a program was not found, choose an environment that has it; there is no network to install it\n");
    }
    notes
}

/// Cuts the streams of an object as the text does, keeping terminal control sequences.
pub(crate) fn shorten(exec: &mut VmExec, max_chars: usize) {
    shorten_stream(&mut exec.stdout, &mut exec.stdout_info, max_chars);
    shorten_stream(&mut exec.stderr, &mut exec.stderr_info, max_chars);
}

fn shorten_stream(text: &mut String, info: &mut StreamInfo, max_chars: usize) {
    if let Some((shorter, omitted_bytes)) = shortened(text, info.omitted_bytes, max_chars) {
        *text = shorter;
        info.truncated = true;
        info.omitted_bytes = omitted_bytes;
        info.stored_bytes = info.bytes.saturating_sub(omitted_bytes);
    }
}

fn shortened(text: &str, omitted_bytes: u64, max_chars: usize) -> Option<(String, u64)> {
    let cut = cut(text, max_chars)?;
    let omitted_bytes = cut.omitted_bytes + omitted_bytes;
    Some((cut.join(&gap(omitted_bytes, max_chars)), omitted_bytes))
}

#[cfg(test)]
mod tests;
