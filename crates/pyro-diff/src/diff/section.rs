//! One `diff --git` section: the change of one path in Git's format.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::text::{Effort, TextDiff};
use crate::base85;
use crate::blob::{NO_BLOB, blob_id};
use crate::mode::Mode;
use crate::quote::push_name;

/// One side of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half<'a> {
    pub(super) mode: Mode,
    pub(super) content: &'a [u8],
}

/// What a section says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) old_path: &'a [u8],
    pub(super) new_path: &'a [u8],
    pub(super) old: Option<Half<'a>>,
    pub(super) new: Option<Half<'a>>,
    /// In percent, for a file that moved.
    pub(super) similarity: Option<u8>,
}

impl Section<'_> {
    fn old_content(&self) -> &[u8] {
        self.old.map_or(&[], |half| half.content)
    }

    fn new_content(&self) -> &[u8] {
        self.new.map_or(&[], |half| half.content)
    }

    /// The difference of its contents as text.
    pub(super) fn text_diff(&self, effort: &mut Effort) -> TextDiff<'_> {
        TextDiff::new(self.old_content(), self.new_content(), effort)
    }

    /// Appends it, with the difference as text.
    pub(super) fn write_text(&self, out: &mut Vec<u8>, diff: &TextDiff<'_>) {
        self.write_header(out);
        if diff.insertions() + diff.deletions() == 0 {
            return;
        }
        // The only line that tells a changed link from a changed file.
        if self
            .old
            .zip(self.new)
            .is_some_and(|(old, _)| old.mode == Mode::Symlink)
        {
            self.write_index(out);
        }
        write_name(out, b"--- ", b"a/", self.old.map(|_| self.old_path));
        write_name(out, b"+++ ", b"b/", self.new.map(|_| self.new_path));
        diff.write(out);
    }

    /// Appends it, with both contents as Git writes binary ones.
    pub(super) fn write_binary(&self, out: &mut Vec<u8>) {
        self.write_header(out);
        if self.old_content() == self.new_content() && self.old.is_some() == self.new.is_some() {
            return;
        }
        self.write_index(out);
        out.extend_from_slice(b"GIT binary patch\n");
        write_literal(out, self.new_content());
        write_literal(out, self.old_content());
    }

    /// Git takes a binary patch only with the whole ids of what it leads from and to.
    fn write_index(&self, out: &mut Vec<u8>) {
        let id = |half: Option<Half<'_>>| half.map_or(NO_BLOB, |half| blob_id(half.content));
        out.extend_from_slice(b"index ");
        out.extend_from_slice(&id(self.old));
        out.extend_from_slice(b"..");
        out.extend_from_slice(&id(self.new));
        if let (Some(old), Some(new)) = (self.old, self.new)
            && old.mode == new.mode
        {
            out.push(b' ');
            out.extend_from_slice(new.mode.octal().as_bytes());
        }
        out.push(b'\n');
    }

    /// Whether [`Self::write_text`] says it all without a body.
    pub(super) fn is_header_only(&self) -> bool {
        self.old_content() == self.new_content()
    }

    fn write_header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"diff --git ");
        push_name(out, b"a/", self.old_path);
        out.push(b' ');
        push_name(out, b"b/", self.new_path);
        out.push(b'\n');
        let mut line =
            |what: &str, value: &str| out.extend_from_slice(format!("{what} {value}\n").as_bytes());
        match (self.old, self.new) {
            (None, Some(new)) => line("new file mode", new.mode.octal()),
            (Some(old), None) => line("deleted file mode", old.mode.octal()),
            (Some(old), Some(new)) if old.mode != new.mode => {
                line("old mode", old.mode.octal());
                line("new mode", new.mode.octal());
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if let Some(similarity) = self.similarity {
            line("similarity index", &format!("{similarity}%"));
            out.extend_from_slice(b"rename from ");
            push_name(out, b"", self.old_path);
            out.extend_from_slice(b"\nrename to ");
            push_name(out, b"", self.new_path);
            out.push(b'\n');
        }
    }
}

fn write_name(out: &mut Vec<u8>, what: &[u8], prefix: &[u8], path: Option<&[u8]>) {
    out.extend_from_slice(what);
    match path {
        None => out.extend_from_slice(b"/dev/null"),
        Some(path) => {
            push_name(out, prefix, path);
            // Without it a reader could take a blank for the end of the name.
            if path.contains(&b' ') {
                out.push(b'\t');
            }
        }
    }
    out.push(b'\n');
}

fn write_literal(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(format!("literal {}\n", content.len()).as_bytes());
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    base85::push_lines(out, &written.expect("a vector takes all that is written"));
    out.push(b'\n');
}

/// Appends the one line that names a binary file whose content is not shown.
///
/// It stands alone: under a `diff --git` line it would make `git apply` refuse the whole patch.
pub(super) fn write_binary_summary(out: &mut Vec<u8>, old: Option<&[u8]>, new: Option<&[u8]>) {
    let mut side = |what: &[u8], prefix: &[u8], path: Option<&[u8]>| {
        out.extend_from_slice(what);
        match path {
            None => out.extend_from_slice(b"/dev/null"),
            Some(path) => push_name(out, prefix, path),
        }
    };
    side(b"Binary files ", b"a/", old);
    side(b" and ", b"b/", new);
    out.extend_from_slice(b" differ\n");
}
