//! Files read.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pyro_proto::file::ReadFile;
use pyro_proto::message::Verb;

use super::entry;
use crate::TreePath;
use crate::argument;
use crate::error::Result;
use crate::guest::files;
use crate::object::{FileRead, TextEncoding};
use crate::workspace::Workspace;

/// How much of a file can be read at once, in bytes.
const READ_BYTES: RangeInclusive<u64> = 1..=1 << 20;

/// What to read of a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReadFileRequest {
    /// The file.
    pub path: TreePath,
    /// Which part of it.
    pub range: FileRange,
    /// The most bytes, 1 to 1,048,576.
    pub max_bytes: u64,
    /// How the content is to be written in the result.
    pub encoding: FileEncoding,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRange {
    /// From this byte on.
    Bytes {
        /// The first byte, from 0.
        offset: u64,
    },
    /// Lines.
    Lines {
        /// The first line, from 1.
        start: u64,
        /// How many; as many as fit if absent.
        count: Option<u64>,
    },
}

/// How the content of a file is written in a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileEncoding {
    /// As text if it is text, else in base64.
    #[default]
    Auto,
    /// As text, with bytes that are none replaced.
    Utf8,
    /// In base64.
    Base64,
}

impl ReadFileRequest {
    /// From the beginning, at most 64 KiB.
    pub fn new(path: TreePath) -> Self {
        Self {
            path,
            range: FileRange::Bytes { offset: 0 },
            max_bytes: 65_536,
            encoding: FileEncoding::Auto,
        }
    }

    fn to_message(&self) -> ReadFile {
        let (offset, start_line, line_count) = match self.range {
            FileRange::Bytes { offset } => (offset, 0, 0),
            FileRange::Lines { start, count } => (0, start, count.unwrap_or(0)),
        };
        ReadFile {
            path: self.path.as_bytes().to_vec().into(),
            offset,
            max_bytes: self.max_bytes,
            start_line,
            line_count,
        }
    }

    fn validate(&self) -> Result<()> {
        argument::in_range("max_bytes", self.max_bytes, &READ_BYTES)?;
        if let FileRange::Lines { start, count } = self.range {
            argument::in_range("start_line", start, &(1..=u64::MAX))?;
            argument::in_range("line_count", count.unwrap_or(1), &(1..=u64::MAX))?;
        }
        Ok(())
    }
}

impl Workspace {
    /// Reads a part of a file of any size.
    ///
    /// # Errors
    /// `path-not-found`, `path-refused`, `wrong-file-type`, `invalid-argument`, `invalid-state`, `guest-lost`.
    pub async fn read_file(&self, request: &ReadFileRequest) -> Result<FileRead> {
        request.validate()?;
        let (guest, call) = self.call_guest(Verb::ReadFile).await?;
        let part = files::read_file(call, request.to_message()).await?;
        let mut bytes = part.content;
        let mut end = part.end.next_offset;
        let has_more = !part.end.is_end;
        let (content, encoding) = written(&mut bytes, request.encoding, has_more);
        // What was cut off at a character's end comes with the next part.
        end = end.min(part.end.offset + bytes.len() as u64);
        let (start_line, line_count) = match request.range {
            FileRange::Bytes { .. } => (None, None),
            FileRange::Lines { start, .. } => (Some(start), Some(part.end.lines)),
        };
        Ok(FileRead {
            workspace_id: self.id(),
            path: request.path.to_string(),
            size_bytes: part.entry.size,
            mode: entry::mode(part.entry.mode),
            max_bytes: request.max_bytes,
            offset: part.end.offset,
            next_offset: has_more.then_some(end),
            start_line,
            line_count,
            content,
            encoding,
            truncated: has_more,
            redacted: false,
            warnings: guest.used.warnings(),
            guest: guest.used,
            bytes,
        })
    }
}

/// Writes content as it is asked for; text that goes on is cut at the end of a character.
fn written(bytes: &mut Vec<u8>, encoding: FileEncoding, has_more: bool) -> (String, TextEncoding) {
    if encoding != FileEncoding::Base64 && has_more {
        let whole = bytes.len() - unfinished(bytes);
        // A part shorter than a character would never end.
        if whole > 0 {
            bytes.truncate(whole);
        }
    }
    match (encoding, std::str::from_utf8(bytes)) {
        (FileEncoding::Auto, Ok(text)) if !bytes.contains(&0) => (text.to_owned(), TextEncoding::Utf8),
        (FileEncoding::Utf8, Ok(text)) => (text.to_owned(), TextEncoding::Utf8),
        (FileEncoding::Utf8, Err(_)) => (
            String::from_utf8_lossy(bytes).into_owned(),
            TextEncoding::Utf8Lossy,
        ),
        (FileEncoding::Auto | FileEncoding::Base64, _) => {
            (BASE64_STANDARD.encode(&*bytes), TextEncoding::Base64)
        }
    }
}

/// How many bytes at the end begin a character that does not end.
fn unfinished(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        // Without a length the error is that the text ends too early.
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        Ok(_) => 0,
        Err(_) => {
            // Something else is wrong before; only the last few bytes count.
            let tail = &bytes[bytes.len().saturating_sub(3)..];
            (1..=tail.len())
                .find(|&count| {
                    let last = &tail[tail.len() - count..];
                    std::str::from_utf8(last)
                        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
                })
                .unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], encoding: FileEncoding, has_more: bool) -> (String, TextEncoding, usize) {
        let mut bytes = bytes.to_vec();
        let (text, encoding) = written(&mut bytes, encoding, has_more);
        (text, encoding, bytes.len())
    }

    #[test]
    fn text_is_cut_at_the_end_of_a_character() {
        let euro = "a€".as_bytes();
        let utf8 = |text: &str, length| (text.to_owned(), TextEncoding::Utf8, length);
        assert_eq!(shown(&euro[..3], FileEncoding::Auto, true), utf8("a", 1));
        assert_eq!(shown(euro, FileEncoding::Auto, true), utf8("a€", 4));
        assert_eq!(shown(b"\xffx\xe2\x82", FileEncoding::Utf8, true).2, 2);
        // At the end of a file there is nothing to wait for.
        assert_eq!(
            shown(&euro[..3], FileEncoding::Auto, false).1,
            TextEncoding::Base64
        );
        assert_eq!(
            shown(&euro[..3], FileEncoding::Utf8, false).1,
            TextEncoding::Utf8Lossy
        );
        assert_eq!(shown(&euro[1..3], FileEncoding::Utf8, true).2, 2);
    }

    #[test]
    fn what_is_no_text_is_in_base64_if_that_is_left_to_us() {
        assert_eq!(shown(b"a\0", FileEncoding::Auto, false).0, "YQA=");
        assert_eq!(shown(b"a\0", FileEncoding::Utf8, false).0, "a\0");
        assert_eq!(shown(b"a", FileEncoding::Base64, true).0, "YQ==");
    }
}
