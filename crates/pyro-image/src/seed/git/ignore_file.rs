//! Files of ignore patterns.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::memory::{Memory, Taken};
use crate::seed::warning::Warnings;

/// How long a file of patterns may be, in bytes. The largest in use have some tens of thousands.
pub(super) const FILE_MAX: u64 = 128 * 1024;
/// How many times the length of their text compiled patterns take, at worst, as measured.
pub(super) const EXPANSION: usize = 512;

/// The compiled patterns of one file.
#[derive(Debug)]
pub(super) struct Patterns {
    compiled: Gitignore,
    _memory: Taken,
}

impl Patterns {
    /// Whether a path is ignored, relative to the directory to which the patterns apply; `None` when none matches.
    pub(super) fn verdict(&self, path: &[u8], is_directory: bool) -> Option<bool> {
        verdict(&self.compiled, path, is_directory)
    }
}

/// Whether compiled patterns ignore a path, relative to the directory to which they apply; `None` when none matches.
pub(super) fn verdict(patterns: &Gitignore, path: &[u8], is_directory: bool) -> Option<bool> {
    let path = Path::new(OsStr::from_bytes(path));
    match patterns.matched(path, is_directory) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

/// Whether the last component of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Follow,
    Refuse,
}

/// Reads patterns; a file that is not there has none, and neither has one that cannot be read, of which a warning
/// tells.
pub(super) fn read_patterns(
    directory: impl AsFd,
    path: &Path,
    links: Links,
    label: &str,
    memory: &Memory,
    warnings: &mut Warnings,
) -> Option<Patterns> {
    match read_file(directory, path, links, FILE_MAX) {
        Ok(text) => {
            let Some(taken) = memory.take(text.len() * EXPANSION) else {
                warnings.push(format!(
                    "ignore file `{label}` was not applied: there are too many"
                ));
                return None;
            };
            compile(&text, label, warnings).map(|compiled| Patterns {
                compiled,
                _memory: taken,
            })
        }
        Err(error) if is_absent(&error) => None,
        Err(error) => {
            warnings.push(format!("ignore file `{label}` was not applied: {error}"));
            None
        }
    }
}

/// Reads a regular file of no more than `limit` bytes, without waiting for what is none.
pub(super) fn read_file(directory: impl AsFd, path: &Path, links: Links, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(directory, path, links)?;
    let mut text = Vec::new();
    file.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(text)
}

/// Opens a regular file, without waiting for what is none.
pub(super) fn open_regular(directory: impl AsFd, path: &Path, links: Links) -> io::Result<File> {
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let handle = openat(directory, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&handle)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(handle.into())
}

/// Whether an error only says that there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|error| matches!(error, Errno::NOENT | Errno::NOTDIR))
}

/// Compiles the lines of a file of patterns; `None` when it has none.
pub(super) fn compile(text: &[u8], label: &str, warnings: &mut Warnings) -> Option<Gitignore> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut builder = GitignoreBuilder::new("");
    builder.allow_unclosed_class(false);
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).ok();
        if line.is_none_or(|line| builder.add_line(None, &without_alternatives(line)).is_err()) {
            let number = at + 1;
            warnings.push(format!(
                "line {number} of ignore file `{label}` was not understood"
            ));
        }
    }
    match builder.build() {
        Ok(patterns) => (!patterns.is_empty()).then_some(patterns),
        Err(error) => {
            warnings.push(format!("ignore file `{label}` was not applied: {error}"));
            None
        }
    }
}

/// Makes braces stand for themselves, as in Git; to the matcher they would list alternatives.
fn without_alternatives(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let (mut is_escaped, mut in_class) = (false, false);
    for letter in line.chars() {
        match letter {
            '{' | '}' if !is_escaped && !in_class => plain.push('\\'),
            '[' if !is_escaped => in_class = true,
            ']' if !is_escaped => in_class = false,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        plain.push(letter);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ignored(patterns: &str, path: &str) -> bool {
        let mut warnings = Warnings::default();
        let compiled = compile(patterns.as_bytes(), "test", &mut warnings).unwrap();
        compiled
            .matched(path.trim_end_matches('/'), path.ends_with('/'))
            .is_ignore()
    }

    #[test]
    fn lines_mean_what_they_mean_to_git() {
        assert!(is_ignored("\u{feff}*.o\r\n", "a/b.o"));
        assert!(!is_ignored("*.o\n!keep.o\n", "keep.o"));
        assert!(is_ignored("build/", "x/build/"));
        assert!(!is_ignored("build/", "x/build"));
        assert!(!is_ignored("/top", "x/top"));
        assert!(is_ignored("a/**/z", "a/b/c/z"));
        assert!(is_ignored("\\#hash\n# comment", "#hash"));
    }

    #[test]
    fn braces_stand_for_themselves() {
        assert!(is_ignored("{a,b}", "{a,b}"));
        assert!(!is_ignored("{a,b}", "a"));
        assert!(is_ignored("[{]x", "{x"));
        assert!(is_ignored("\\{x", "{x"));
    }

    #[test]
    fn lines_that_are_no_pattern_are_named() {
        let mut warnings = Warnings::default();
        let compiled = compile(b"good\n\xff\n[bad\n", "a/.gitignore", &mut warnings);
        assert!(compiled.unwrap().matched("good", false).is_ignore());
        assert_eq!(
            warnings.list(),
            [
                "line 2 of ignore file `a/.gitignore` was not understood",
                "line 3 of ignore file `a/.gitignore` was not understood"
            ]
        );
    }
}
