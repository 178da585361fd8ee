//! `pyro workspace file read`.

use std::ffi::OsString;

use clap::Args;
use pyro::argument;
use pyro::object::FileRead;
use pyro::{FileRange, Pyro, ReadFileRequest, Result};

use super::super::{Which, guest_path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::option::whole_number;
use crate::table::escaped;
use crate::ui::{Form, Ui};
use crate::wait;

/// The most bytes that one read gives.
const MAX_BYTES: std::ops::RangeInclusive<u64> = 1..=1_048_576;

/// Print a part of a file of a workspace
///
/// The content is on standard output, byte for byte; a newline is added only on a terminal. What was read, and how to go
/// on, is on standard error. Links are followed as long as they stay in /workspace.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace file read alpha src/main.rs\n  pyro workspace file read alpha build.log \
                  --lines 120:180\n  pyro workspace file read alpha core.bin --offset 65536 --max-bytes 1048576 >part"
)]
pub(crate) struct Read {
    #[command(flatten)]
    which: Which,

    /// File, relative to /workspace or below it
    #[arg(value_name = "PATH")]
    path: OsString,

    /// Print no more than this many bytes, 1–1048576
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = whole_number, allow_negative_numbers = true)]
    max_bytes: u64,

    /// Begin at this byte, from 0 [default: 0]
    #[arg(long, value_name = "BYTE", value_parser = whole_number, allow_negative_numbers = true)]
    offset: Option<u64>,

    /// Print these lines, from 1, both included; `A:` goes on to the end, `:B` begins with the first
    #[arg(long, value_name = "A:B", value_parser = lines, conflicts_with = "offset", allow_hyphen_values = true)]
    lines: Option<FileRange>,

    /// Add nothing to the content, and say only if there is more
    #[arg(long)]
    content_only: bool,
}

/// Shows the content.
pub(super) fn execute(read: &Read, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = ReadFileRequest::new(guest_path::parse(&read.path)?);
    request.max_bytes =
        argument::in_range("max_bytes", read.max_bytes, &MAX_BYTES).map_err(Failure::argument)?;
    let offset = read.offset.unwrap_or_default();
    request.range = read.lines.unwrap_or(FileRange::Bytes { offset });
    let workspace = read.which.find(pyro)?;
    let found = wait::block_on(wait::unless_interrupted(
        "reading the file",
        "run it again",
        workspace.read_file(&request),
    ))?;
    match ui.form() {
        Form::Json => ui.result(&found, |_| String::new())?,
        Form::Human => show(&found, read.content_only, ui)?,
    }
    Ok(Exit::Done)
}

fn show(found: &FileRead, content_only: bool, ui: Ui) -> Result<()> {
    ui.bytes(&found.bytes)?;
    let is_open_line = found.bytes.last().is_some_and(|&last| last != b'\n');
    if is_open_line && ui.stdout_is_terminal() && !content_only {
        ui.stdout("\n")?;
    }
    ui.warnings(&found.warnings);
    if !content_only || found.truncated {
        ui.summary(&summary(found));
    }
    Ok(())
}

/// What was read of which file, and how to go on.
fn summary(found: &FileRead) -> String {
    let part = match (found.start_line, found.line_count) {
        (Some(start), Some(count)) => lines_in_words(start, count),
        _ => bytes_in_words(found.offset, found.bytes.len() as u64, found.size_bytes),
    };
    let (path, mode, size) = (
        escaped(&found.path),
        escaped(&found.mode),
        format::size(found.size_bytes),
    );
    let more = match found.next_offset.filter(|_| found.truncated) {
        Some(next) => format!("; go on with `--offset {next}`"),
        None => String::new(),
    };
    format!("{path}: {part} of {size}, mode {mode}{more}")
}

fn lines_in_words(start: u64, count: u64) -> String {
    match count {
        0 => format!("no line {start}"),
        1 => format!("line {start}"),
        count => format!("lines {start}–{}", start.saturating_add(count - 1)),
    }
}

fn bytes_in_words(offset: u64, count: u64, size: u64) -> String {
    match count {
        0 if size > 0 => format!("no byte {offset}"),
        count if offset == 0 && count == size => "all".to_owned(),
        count => format!("bytes {offset}–{}", offset.saturating_add(count.max(1) - 1)),
    }
}

/// Reads `A:B`, `A:` or `:B`.
fn lines(text: &str) -> Result<FileRange, String> {
    let Some((first, last)) = text.split_once(':') else {
        return Err("is not of the form A:B".to_owned());
    };
    let number = |text: &str| match text {
        "" => Ok(None),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => whole_number(text).map(Some),
        _ => Err("has a part that is not a whole number".to_owned()),
    };
    let (first, last) = (number(first)?, number(last)?);
    if first.is_none() && last.is_none() {
        return Err("names no line".to_owned());
    }
    let start = first.unwrap_or(1);
    if start == 0 || last == Some(0) {
        return Err("has a line 0, and lines are counted from 1".to_owned());
    }
    match last {
        Some(last) if last < start => Err("ends before it begins".to_owned()),
        last => Ok(FileRange::Lines {
            start,
            count: last.map(|last| last - start + 1),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_both_ends_are_included() {
        let range = |start, count| Ok(FileRange::Lines { start, count });
        assert_eq!(lines("3:7"), range(3, Some(5)));
        assert_eq!(lines("4:4"), range(4, Some(1)));
        assert_eq!(lines("10:"), range(10, None));
        assert_eq!(lines(":10"), range(1, Some(10)));
        assert_eq!(lines("1:18446744073709551615"), range(1, Some(u64::MAX)));
        for text in [
            "", "5", ":", "0:3", ":0", "7:3", "-1:2", "+1:2", "a:b", "1:2:3", " 1:2",
        ] {
            lines(text).unwrap_err();
        }
        assert_eq!(lines("18446744073709551616:"), Err("is too large".to_owned()));
    }

    #[test]
    fn a_part_is_named_by_what_it_holds() {
        assert_eq!(bytes_in_words(0, 5, 5), "all");
        assert_eq!(bytes_in_words(0, 0, 0), "all");
        assert_eq!(bytes_in_words(9, 0, 5), "no byte 9");
        assert_eq!(bytes_in_words(2, 3, 9), "bytes 2–4");
        assert_eq!(lines_in_words(7, 0), "no line 7");
        assert_eq!(lines_in_words(7, 1), "line 7");
        assert_eq!(lines_in_words(7, 3), "lines 7–9");
    }
}
