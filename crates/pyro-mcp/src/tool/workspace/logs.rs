//! `workspace_logs`: the commands of a workspace and what is kept of their output.

use std::time::Duration;

use pyro::object::{LogEntry, StreamInfo};
use pyro::{LogStream, LogsRequest, Workspace};

use crate::arguments::Arguments;
use crate::render::{Limit, More, Shown, shorten_stream, write_logs};
use crate::resource::{Address, Part, links_to_output};
use crate::schema::{Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The most bytes of a character.
const CHAR_BYTES: u64 = 4;

/// The fewest characters shown of each stream, however many commands are listed.
const LEAST_CHARS: usize = 200;

/// The tool `workspace_logs`.
#[derive(Debug)]
pub(crate) struct Logs;

impl Tool for Logs {
    fn name(&self) -> &'static str {
        "workspace_logs"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Show commands and their output",
            description: "Commands and their output.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::number("sequence", "One command", 1..=u64::MAX),
                Parameter::choice("stream", "Which", &["both", "stdout", "stderr"], Some("both")),
                Parameter::integer("offset", "From byte", 0..=u64::MAX, 0),
                Parameter::integer("limit", "Last commands", 1..=200, 20),
                common::max_output_chars("Per stream", 20_000),
                common::wait_seconds("For its end", 0, 0),
            ],
            hints: Hints::ReadOnly,
            payload: Payload::Text,
            output_schema: output_schema(&[
                ("workspace_id", "string"),
                ("count", "integer"),
                ("entries", "array"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            wait(call, &arguments).await?;
            logs(call, &arguments)
        })
    }
}

/// Waits for the end of the command that was asked for.
async fn wait(call: &Call, arguments: &Arguments) -> pyro::Result<()> {
    let at_most = Duration::from_secs(arguments.integer("wait_seconds"));
    match arguments.optional_integer("sequence") {
        Some(sequence) if !at_most.is_zero() => {
            let workspace = call.workspace(arguments)?;
            let waited = workspace.wait_for_command(sequence, at_most);
            // Whoever takes back the question needs no answer, and a server that leaves gives the one that it has.
            tokio::select! {
                waited = call.ending.unless_asked(waited) => waited,
                () = call.ending.server.cancelled() => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn logs(call: &Call, arguments: &Arguments) -> pyro::Result<Answer> {
    let workspace = call.workspace(arguments)?;
    let mut request = LogsRequest::default();
    request.sequence = arguments.optional_integer("sequence");
    request.tail = usize::try_from(arguments.integer("limit")).unwrap_or(usize::MAX);
    request.offset = arguments.integer("offset");
    request.stream = match arguments.text("stream") {
        "stdout" => LogStream::Stdout,
        "stderr" => LogStream::Stderr,
        _ => LogStream::Both,
    };
    // Commands may have printed far more than is shown: first only which there are, then of each no more than is needed.
    request.limit = Some(0);
    let mut logs = workspace.logs(&request)?;
    let most = common::max_chars(arguments) / logs.entries.len().max(1);
    let max_chars = most.max(LEAST_CHARS);
    let mut shown = Vec::with_capacity(logs.entries.len());
    for entry in &mut logs.entries {
        shown.push(Shown {
            max_chars,
            is_given_up: entry.output_dropped,
        });
        fill(&workspace, entry, &request, max_chars)?;
        // Where they are on the host is nothing that a client supplied.
        entry.stdout_file = None;
        entry.stderr_file = None;
    }
    let text = write_logs(&object(&logs), &shown);
    let links = logs.entries.iter().flat_map(|entry| {
        let streams = [
            (LogStream::Stdout, entry.stdout.as_str(), &entry.stdout_info),
            (LogStream::Stderr, entry.stderr.as_str(), &entry.stderr_info),
        ];
        let sequence = entry.sequence;
        links_to_output(streams, max_chars, |stream| {
            Address::Workspace(logs.workspace_id.into(), Part::Output { sequence, stream })
        })
    });
    let links = links.collect();
    let structured = call.where_asked_for(|| {
        for entry in &mut logs.entries {
            shorten(entry, max_chars);
        }
        object(&logs)
    });
    Ok(Answer {
        text,
        structured,
        links,
        goes_on: None,
    })
}

/// Reads the output of a command: all of it, or its beginning and end with more characters each than are shown.
fn fill(
    workspace: &Workspace,
    entry: &mut LogEntry,
    request: &LogsRequest,
    max_chars: usize,
) -> pyro::Result<()> {
    let part = CHAR_BYTES * u64::try_from(max_chars).unwrap_or(u64::MAX / CHAR_BYTES);
    let read = |stream, offset, limit| -> pyro::Result<Option<LogEntry>> {
        let mut wanted = request.clone();
        wanted.sequence = Some(entry.sequence);
        (wanted.stream, wanted.offset, wanted.limit) = (stream, offset, limit);
        Ok(workspace.logs(&wanted)?.entries.pop())
    };
    let Some(mut found) = read(request.stream, request.offset, Some(part))? else {
        return Ok(());
    };
    let begin = request.offset.saturating_add(part);
    for stream in [LogStream::Stdout, LogStream::Stderr] {
        let is_wanted = request.stream == LogStream::Both || request.stream == stream;
        let stored = of(&mut found, stream).1.stored_bytes;
        if !is_wanted || stored <= begin {
            continue;
        }
        // What runs may have printed more meanwhile: no more is read than was known.
        let tail = begin.max(stored.saturating_sub(part));
        if let Some(mut end) = read(stream, tail, Some(stored - tail))? {
            let (text, info) = of(&mut found, stream);
            text.push_str(of(&mut end, stream).0);
            info.truncated = true;
            info.omitted_bytes += tail - begin;
            info.stored_bytes -= tail - begin;
        }
    }
    *entry = found;
    entry.next_offset = None;
    Ok(())
}

fn of(entry: &mut LogEntry, stream: LogStream) -> (&mut String, &mut StreamInfo) {
    match stream {
        LogStream::Stderr => (&mut entry.stderr, &mut entry.stderr_info),
        LogStream::Both | LogStream::Stdout => (&mut entry.stdout, &mut entry.stdout_info),
    }
}

/// Cuts the streams of an entry as the text does, and says where they go on.
fn shorten(entry: &mut LogEntry, max_chars: usize) {
    let more = More::Logs {
        sequence: entry.sequence,
        offset: entry.offset,
    };
    let limit = Limit { max_chars, more };
    let stdout = shorten_stream("stdout", &mut entry.stdout, &mut entry.stdout_info, limit);
    let stderr = shorten_stream("stderr", &mut entry.stderr, &mut entry.stderr_info, limit);
    entry.next_offset = match (stdout, stderr) {
        (Some(stdout), Some(stderr)) => Some(stdout.min(stderr)),
        (one, other) => one.or(other),
    };
}
