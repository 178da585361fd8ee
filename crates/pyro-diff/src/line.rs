//! Lines: everything up to and with a `\n`, which alone ends a line. The last may lack it.

use memchr::memchr;

/// The lines of a content, each with its newline.
#[derive(Debug, Clone)]
pub(crate) struct LineIter<'a>(&'a [u8]);

/// Splits a content into lines.
pub(crate) fn lines(bytes: &[u8]) -> LineIter<'_> {
    LineIter(bytes)
}

impl<'a> Iterator for LineIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0).map_or(self.0.len(), |index| index + 1);
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(line)
    }
}

/// The line without its newline.
pub(crate) fn without_newline(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// The line without its newline and the carriage return before it.
pub(crate) fn without_ending(line: &[u8]) -> &[u8] {
    let line = without_newline(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether Git takes a content for binary: a zero byte near its beginning.
pub(crate) fn is_binary(content: &[u8]) -> bool {
    memchr(0, &content[..content.len().min(8000)]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newline_ends_a_line() {
        let text = "a\rb\r\n\u{2028}\x0b\x0c\n\nlast".as_bytes();
        let all: Vec<&[u8]> = lines(text).collect();
        assert_eq!(
            all,
            [b"a\rb\r\n", "\u{2028}\x0b\x0c\n".as_bytes(), b"\n", b"last"]
        );
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(lines(b"\n").count(), 1);
    }

    #[test]
    fn binary_is_what_git_calls_so() {
        assert!(is_binary(b"a\0"));
        assert!(!is_binary(&[vec![b'a'; 8000], vec![0]].concat()));
    }
}
