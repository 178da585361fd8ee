//! Hunks of text.

use memchr::memchr;

use super::cursor::Cursor;
use super::problem::{PatchInvalid, Problem};

/// One hunk, whose lines are as many as its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// Its first old line, from 1; with no old lines the line after which the new ones go.
    pub(crate) old_start: usize,
    /// How many old lines it has.
    pub(crate) old_count: usize,
    /// Its lines in a strict form: each with its kind in front and a newline at its end, and a line `\` after one that has
    /// no newline in the file. Kept as text because a patch may have millions of lines.
    body: Vec<u8>,
}

/// What a line of a hunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    Context,
    Removed,
    Added,
}

impl LineKind {
    pub(crate) fn is_old(self) -> bool {
        self != Self::Added
    }

    pub(crate) fn is_new(self) -> bool {
        self != Self::Removed
    }

    fn of(byte: u8) -> Option<Self> {
        match byte {
            b' ' => Some(Self::Context),
            b'-' => Some(Self::Removed),
            b'+' => Some(Self::Added),
            _ => None,
        }
    }
}

impl Hunk {
    /// The lines, each with its newline if it has one in the file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (LineKind, &[u8])> {
        let mut rest = &self.body[..];
        std::iter::from_fn(move || {
            let kind = LineKind::of(*rest.first()?)?;
            let newline = memchr(b'\n', rest)?;
            let (line, after) = rest.split_at(newline + 1);
            let unfinished = after.strip_prefix(b"\\\n");
            rest = unfinished.unwrap_or(after);
            let end = if unfinished.is_some() {
                newline
            } else {
                newline + 1
            };
            Some((kind, &line[1..end]))
        })
    }
}

/// Reads the hunk at the cursor, whose header is there.
pub(super) fn parse_hunk(cursor: &mut Cursor<'_>) -> Result<Hunk, PatchInvalid> {
    let header = *cursor;
    let (old, new) = cursor
        .field("@@ -")
        .and_then(parse_ranges)
        .ok_or_else(|| header.invalid(Problem::HunkHeader))?;
    if old.1 == 0 && new.1 == 0 {
        return Err(header.invalid(Problem::EmptyHunk));
    }
    cursor.advance();
    let mut reader = BodyReader::default();
    while reader.old < old.1 || reader.new < new.1 {
        if !reader.read(cursor)? {
            break;
        }
    }
    reader.read_marker(cursor)?;
    reader.count_surplus(*cursor);
    for (side, said, found) in [("old", old.1, reader.old), ("new", new.1, reader.new)] {
        if said != found {
            return Err(header.invalid(Problem::HunkCount { side, said, found }));
        }
    }
    Ok(Hunk {
        old_start: old.0,
        old_count: old.1,
        body: reader.body,
    })
}

/// Reads a body line by line, with what was seen so far.
#[derive(Default)]
struct BodyReader {
    body: Vec<u8>,
    old: usize,
    new: usize,
    last: Option<LineKind>,
    old_ended: bool,
    new_ended: bool,
}

impl BodyReader {
    /// Reads one line of the body. `false` if there is none.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, PatchInvalid> {
        let Some(raw) = cursor.peek_raw() else {
            return Ok(false);
        };
        if raw.starts_with(b"\\") {
            self.read_marker(cursor)?;
            return Ok(true);
        }
        // A blank line without its space: some programs strip it, and GNU diff may be told to.
        let is_stripped = matches!(raw, b"\n" | b"\r\n");
        let (kind, content) = match LineKind::of(raw[0]) {
            Some(kind) => (kind, &raw[1..]),
            None if is_stripped => (LineKind::Context, raw),
            None => return Ok(false),
        };
        if (kind.is_old() && self.old_ended) || (kind.is_new() && self.new_ended) {
            return Err(cursor.invalid(Problem::MisplacedMarker));
        }
        self.body.push(match kind {
            LineKind::Context => b' ',
            LineKind::Removed => b'-',
            LineKind::Added => b'+',
        });
        self.body.extend_from_slice(content);
        if !content.ends_with(b"\n") {
            self.body.push(b'\n');
        }
        self.old += usize::from(kind.is_old());
        self.new += usize::from(kind.is_new());
        self.last = Some(kind);
        cursor.advance();
        Ok(true)
    }

    /// Reads the marker of a missing newline, in any language, if it is there.
    fn read_marker(&mut self, cursor: &mut Cursor<'_>) -> Result<(), PatchInvalid> {
        if cursor.field("\\").is_none() {
            return Ok(());
        }
        let Some(kind) = self.last.take() else {
            return Err(cursor.invalid(Problem::MisplacedMarker));
        };
        self.body.extend_from_slice(b"\\\n");
        self.old_ended |= kind.is_old();
        self.new_ended |= kind.is_new();
        cursor.advance();
        Ok(())
    }

    /// Counts lines that go on after the body is complete.
    fn count_surplus(&mut self, mut cursor: Cursor<'_>) {
        cursor.skip_blank();
        while let Some(line) = cursor.peek() {
            let kind = line.first().copied().and_then(LineKind::of);
            let Some(kind) = kind.filter(|_| !cursor.is_at_header() && !is_at_signature(cursor)) else {
                return;
            };
            self.old += usize::from(kind.is_old());
            self.new += usize::from(kind.is_new());
            cursor.advance();
        }
    }
}

/// Whether the line at the cursor is the one before the version of Git, with which a mailed patch ends.
fn is_at_signature(mut cursor: Cursor<'_>) -> bool {
    if !matches!(cursor.peek(), Some(b"-- " | b"--")) {
        return false;
    }
    cursor.advance();
    let is_version = |line: &[u8]| line.first().is_none_or(u8::is_ascii_digit);
    cursor.peek().is_none_or(is_version)
}

type Range = (usize, usize);

/// Reads `10,6 +10,7 @@` and whatever follows.
fn parse_ranges(text: &[u8]) -> Option<(Range, Range)> {
    let (old, rest) = parse_range(text)?;
    let (new, rest) = parse_range(rest.strip_prefix(b" +")?)?;
    rest.starts_with(b" @@").then_some((old, new))
}

fn parse_range(text: &[u8]) -> Option<(Range, &[u8])> {
    let (start, rest) = parse_number(text)?;
    match rest.strip_prefix(b",") {
        None => Some(((start, 1), rest)),
        Some(rest) => {
            let (count, rest) = parse_number(rest)?;
            Some(((start, count), rest))
        }
    }
}

fn parse_number(text: &[u8]) -> Option<(usize, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    // More digits than any file that fits has lines.
    let number = std::str::from_utf8(number).ok().filter(|_| digits <= 9)?;
    Some((number.parse().ok()?, rest))
}
