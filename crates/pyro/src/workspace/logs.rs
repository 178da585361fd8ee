//! Commands of a workspace and what is kept of their output.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::{WorkspaceError, io_error};
use super::handle::history;
use super::history::{Began, Entry};
use super::info;
use super::kept::{self, KeptStream, KeptStreams};
use super::store::{Found, Store};
use crate::error::Result;
use crate::object::{ExecutionMode, LogEntry, StreamInfo, TextEncoding, WorkspaceLogs, unisolated};
use crate::output::Stream;

/// How many commands are listed unless it is said otherwise.
pub const DEFAULT_LOGS: usize = 20;

/// Which commands to show, and what of their output.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogsRequest {
    /// Only this command.
    pub sequence: Option<u64>,
    /// How many of the last commands, if not a single one.
    pub tail: usize,
    /// From which byte of what is kept of each stream.
    pub offset: u64,
    /// At most so many bytes of each stream.
    pub limit: Option<u64>,
    /// Only this stream.
    pub stream: LogStream,
}

/// Which streams to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogStream {
    /// Both.
    #[default]
    Both,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogStream {
    /// Whether a stream is shown.
    pub(super) fn includes(self, stream: Stream) -> bool {
        match self {
            Self::Both => true,
            Self::Stdout => stream == Stream::Stdout,
            Self::Stderr => stream == Stream::Stderr,
        }
    }
}

impl Default for LogsRequest {
    fn default() -> Self {
        Self {
            sequence: None,
            tail: DEFAULT_LOGS,
            offset: 0,
            limit: None,
            stream: LogStream::Both,
        }
    }
}

/// Reads commands from the history.
pub(super) fn read(store: &Store, found: &Found, request: &LogsRequest) -> Result<WorkspaceLogs> {
    let history = history(store, found.id)?;
    let dir = store.dir(found.id);
    let chosen: Vec<&Entry> = match request.sequence {
        Some(sequence) => {
            let missing = || WorkspaceError::NoCommand {
                shown: match &found.record {
                    Ok(record) => info::shown(record),
                    Err(_) => found.id.to_string(),
                },
                sequence,
                last: history.last_sequence(),
            };
            vec![history.entries.get(&sequence).ok_or_else(missing)?]
        }
        None => {
            let skipped = history.entries.len().saturating_sub(request.tail);
            history.entries.values().skip(skipped).collect()
        }
    };
    let entries = chosen
        .into_iter()
        .map(|entry| describe(&dir, entry, found.live.is_some(), request))
        .collect::<Result<Vec<_>>>()?;
    let record = found.record.as_ref().ok();
    let vm = record.and_then(|record| info::vm_of(record, found.live.as_ref()));
    Ok(WorkspaceLogs {
        workspace_id: found.id,
        count: entries.len(),
        entries,
        isolation: vm.map(|vm| vm.isolation),
        vmm: vm.map(|vm| vm.vmm),
        execution_mode: vm.map_or(ExecutionMode::Pending, |vm| vm.execution_mode),
        warnings: unisolated(vm.map(|vm| vm.isolation)).into_iter().collect(),
    })
}

/// What is there of a stream of a command.
pub(super) fn kept(dir: &Path, entry: &Entry, stream: Stream) -> KeptStream {
    let path = kept::path(dir, entry.began.sequence, stream);
    match &entry.ended {
        Some(ended) => ended.streams.of(stream),
        None => still_growing(&path, entry.began.output_limit / 2),
    }
}

/// A command as it is now, with the output that is asked for.
pub(super) fn describe(dir: &Path, entry: &Entry, is_live: bool, request: &LogsRequest) -> Result<LogEntry> {
    let sequence = entry.began.sequence;
    let is_dropped = is_dropped(dir, entry);
    let shown = |stream| {
        let kept = kept(dir, entry, stream);
        let kept = if is_dropped { kept.dropped() } else { kept };
        if request.stream.includes(stream) {
            text(dir, sequence, stream, kept, request)
        } else {
            Ok((String::new(), info_of(kept, TextEncoding::Utf8), None))
        }
    };
    let (stdout, stdout_info, more_stdout) = shown(Stream::Stdout)?;
    let (stderr, stderr_info, more_stderr) = shown(Stream::Stderr)?;
    let file = |stream| Some(kept::path(dir, sequence, stream)).filter(|path| path.exists());
    Ok(LogEntry {
        sequence,
        generation: entry.began.generation,
        command: entry.began.command.clone(),
        cwd: entry.began.cwd.clone(),
        exit_code: entry.ended.as_ref().and_then(|ended| ended.exit_code),
        outcome: info::outcome(entry, is_live),
        duration_ms: entry.ended.as_ref().map(|ended| ended.duration_ms),
        recorded_at: info::time(entry.began.recorded_at),
        stdout,
        stderr,
        stdout_info,
        stderr_info,
        offset: request.offset,
        next_offset: more_stdout.max(more_stderr),
        stdout_file: file(Stream::Stdout),
        stderr_file: file(Stream::Stderr),
        output_dropped: is_dropped,
    })
}

/// Whether there was output and it was given up for that of later commands.
fn is_dropped(dir: &Path, entry: &Entry) -> bool {
    let Some(ended) = &entry.ended else { return false };
    [Stream::Stdout, Stream::Stderr].into_iter().any(|stream| {
        ended.streams.of(stream).stored() > 0 && !kept::path(dir, entry.began.sequence, stream).exists()
    })
}

/// What is there of a command that runs, or whose end was never recorded: its beginning, as what follows is not in order.
fn still_growing(path: &Path, half: u64) -> KeptStream {
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    KeptStream {
        total: length,
        head: length.min(half),
        tail: 0,
    }
}

/// What is kept of a command whose end was never recorded.
pub(crate) fn kept_of_lost(dir: &Path, began: &Began) -> KeptStreams {
    let kept = |stream| still_growing(&kept::path(dir, began.sequence, stream), began.output_limit / 2);
    KeptStreams {
        stdout: kept(Stream::Stdout),
        stderr: kept(Stream::Stderr),
    }
}

fn info_of(kept: KeptStream, encoding: TextEncoding) -> StreamInfo {
    let omitted = kept.total - kept.stored();
    StreamInfo {
        bytes: kept.total,
        encoding,
        truncated: omitted > 0,
        omitted_bytes: omitted,
        stored_bytes: kept.stored(),
    }
}

/// The text of a stream from the offset on, how complete it is, and where to go on.
fn text(
    dir: &Path,
    sequence: u64,
    stream: Stream,
    kept: KeptStream,
    request: &LogsRequest,
) -> Result<(String, StreamInfo, Option<u64>)> {
    let path = kept::path(dir, sequence, stream);
    let end = kept.stored();
    let start = request.offset.min(end);
    let stop = request
        .limit
        .map_or(end, |limit| end.min(start.saturating_add(limit)));
    let bytes = read_range(&path, start, stop).map_err(io_error("read", path))?;
    let more = (stop < end).then_some(stop);
    let (text, encoding) = to_text(bytes);
    Ok((text, info_of(kept, encoding), more))
}

fn to_text(bytes: Vec<u8>) -> (String, TextEncoding) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, TextEncoding::Utf8),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            TextEncoding::Utf8Lossy,
        ),
    }
}

/// A part of a stream.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) encoding: TextEncoding,
    /// Up to which byte of what is kept.
    pub(super) until: u64,
}

/// A part of a stream from one byte to another. If the stream goes on, a character that is not whole is left for later;
/// `None` if that leaves nothing.
pub(super) fn piece(
    dir: &Path,
    sequence: u64,
    stream: Stream,
    (from, until): (u64, u64),
    goes_on: bool,
) -> Result<Option<Piece>> {
    let path = kept::path(dir, sequence, stream);
    let mut bytes = read_range(&path, from, until).map_err(io_error("read", path))?;
    if goes_on {
        bytes.truncate(whole_characters(&bytes));
    }
    let until = from + bytes.len() as u64;
    let (text, encoding) = to_text(bytes);
    Ok((until > from).then_some(Piece {
        text,
        encoding,
        until,
    }))
}

/// The length up to which no character of UTF-8 is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.len().saturating_sub(3);
    let begun = bytes[last..].iter().rposition(|byte| byte & 0xc0 != 0x80);
    let Some(at) = begun.map(|begun| last + begun) else {
        return bytes.len();
    };
    let length = match bytes[at] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if at + length > bytes.len() {
        at
    } else {
        bytes.len()
    }
}

fn read_range(path: &Path, start: u64, stop: u64) -> io::Result<Vec<u8>> {
    if start == stop {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; usize::try_from(stop - start).map_err(io::Error::other)?];
    match File::open(path) {
        // Less is there if the host's disk took no more of it after all.
        Ok(file) => {
            let there = file.metadata()?.len().saturating_sub(start);
            bytes.truncate(usize::try_from(there).unwrap_or(usize::MAX));
            file.read_exact_at(&mut bytes, start)?;
        }
        // It was given up just now, for that of a later command.
        Err(error) if error.kind() == ErrorKind::NotFound => bytes.clear(),
        Err(error) => return Err(error),
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_not_whole_is_left_for_later() {
        for (bytes, length) in [
            (&b""[..], 0),
            (b"ab", 2),
            ("a\u{e9}".as_bytes(), 3),
            (b"a\xc3", 1),
            (b"a\xe2\x82", 1),
            ("\u{20ac}".as_bytes(), 3),
            (b"\xf0\x9f\x92", 0),
            ("\u{1f4a9}".as_bytes(), 4),
            // No UTF-8 at all: it is not waited for what cannot come.
            (b"\x80\x80\x80\x80", 4),
            (b"a\xff", 2),
        ] {
            assert_eq!(whole_characters(bytes), length, "{bytes:?}");
        }
    }
}
