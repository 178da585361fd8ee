//! `pyro workspace logs`: its commands and their output.

use clap::{Args, ValueEnum};
use pyro::object::{LogEntry, WorkspaceLogs};
use pyro::{DEFAULT_LOGS, LogStream, LogsRequest, Pyro, Result};

use super::{Which, log_stream};
use crate::exit::Exit;
use crate::format;
use crate::option::whole_number;
use crate::ui::Ui;
use crate::wait;
use crate::when;

/// Show the commands of a workspace and what is kept of their output
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace logs alpha\n  pyro workspace logs alpha --sequence 4 --stream stderr\n  \
                  pyro workspace logs alpha --tail 0 --follow"
)]
pub(crate) struct Logs {
    #[command(flatten)]
    which: Which,

    /// Only the command with this number
    #[arg(long, value_name = "N", value_parser = whole_number, allow_negative_numbers = true)]
    sequence: Option<u64>,

    /// Which stream
    #[arg(long, value_enum, default_value_t)]
    stream: StreamChoice,

    /// From which byte of what is kept
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = whole_number, allow_negative_numbers = true)]
    offset: u64,

    /// How many of the last commands
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LOGS as u64, value_parser = whole_number, allow_negative_numbers = true)]
    tail: u64,

    /// Go on with what is printed from now on, and with later commands, until Ctrl-C; in `--json` one object per line
    #[arg(long)]
    follow: bool,
}

/// Which stream is shown.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum StreamChoice {
    #[default]
    Both,
    Stdout,
    Stderr,
}

/// Shows them.
pub(crate) fn execute(logs: &Logs, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = LogsRequest::default();
    request.sequence = logs.sequence;
    request.offset = logs.offset;
    request.tail = usize::try_from(logs.tail).unwrap_or(usize::MAX);
    request.stream = match logs.stream {
        StreamChoice::Both => LogStream::Both,
        StreamChoice::Stdout => LogStream::Stdout,
        StreamChoice::Stderr => LogStream::Stderr,
    };
    let workspace = logs.which.find(pyro)?;
    if logs.follow {
        return wait::block_on(log_stream::show(ui, || workspace.follow_logs(request)));
    }
    ui.result(&workspace.logs(&request)?, text)?;
    Ok(Exit::Done)
}

fn text(logs: &WorkspaceLogs) -> String {
    let mut text = String::new();
    let mut generation = None;
    for entry in &logs.entries {
        text.push_str(&reset(&mut generation, entry));
        text.push_str(&heading(entry));
        if entry.output_dropped {
            text.push_str("(its output was given up to make room for that of later commands)\n");
        }
        for stream in [&entry.stdout, &entry.stderr] {
            text.push_str(stream);
            if !stream.is_empty() && !stream.ends_with('\n') {
                text.push('\n');
            }
        }
    }
    text
}

/// The line between two generations.
pub(super) fn reset(generation: &mut Option<u64>, entry: &LogEntry) -> String {
    let before = generation.replace(entry.generation);
    match before {
        Some(before) if before != entry.generation => format!("-- reset {} --\n", entry.generation),
        _ => String::new(),
    }
}

/// The line above a command's output.
pub(super) fn heading(entry: &LogEntry) -> String {
    let end = match (entry.exit_code, entry.duration_ms) {
        (Some(code), Some(took)) => format!("exit {code} in {}", format::seconds(took)),
        _ => format::name(entry.outcome),
    };
    let command: String = entry.command.lines().next().unwrap_or_default().to_owned();
    let when = when::relative(&entry.recorded_at);
    format!("#{} {when} $ {command} ({end})\n", entry.sequence)
}
