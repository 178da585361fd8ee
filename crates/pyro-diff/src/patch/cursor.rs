//! A place in the text of a patch.

use memchr::memchr;

use super::problem::{PatchInvalid, Problem};
use crate::line::without_ending;

/// Walks a text by lines. Copies look ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 1 }
    }

    /// The line at the cursor, with its newline. The last line of a text may lack it.
    pub(super) fn peek_raw(&self) -> Option<&'a [u8]> {
        let end = memchr(b'\n', self.rest).map_or(self.rest.len(), |index| index + 1);
        Some(&self.rest[..end]).filter(|line| !line.is_empty())
    }

    /// The line at the cursor, without its ending.
    pub(super) fn peek(&self) -> Option<&'a [u8]> {
        self.peek_raw().map(without_ending)
    }

    /// Goes to the next line, if there is one.
    pub(super) fn advance(&mut self) {
        if let Some(line) = self.peek_raw() {
            self.rest = &self.rest[line.len()..];
            self.line += 1;
        }
    }

    /// Goes past all blank lines.
    pub(super) fn skip_blank(&mut self) {
        while self.peek().is_some_and(|line| line.trim_ascii().is_empty()) {
            self.advance();
        }
    }

    /// What follows `prefix` on the line at the cursor, if it begins so.
    pub(super) fn field(&self, prefix: &str) -> Option<&'a [u8]> {
        self.peek()?.strip_prefix(prefix.as_bytes())
    }

    /// Whether the line at the cursor is the `---` of a file, whose `+++` follows.
    pub(super) fn is_at_names(&self) -> bool {
        let mut next = *self;
        next.advance();
        self.field("--- ").is_some() && next.field("+++ ").is_some()
    }

    /// Whether the line at the cursor begins a file or hunk.
    pub(super) fn is_at_header(&self) -> bool {
        self.is_at_names() || self.field("diff --git ").is_some() || self.field("@@ ").is_some()
    }

    /// The error that `problem` is here.
    pub(super) fn invalid(&self, problem: Problem) -> PatchInvalid {
        PatchInvalid {
            line: self.line,
            problem,
        }
    }
}
