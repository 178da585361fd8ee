//! Colours for a patch on a terminal.

/// A patch with colours: headers bold, hunk headers cyan, new lines green, old lines red. Bodies are told from headers by
/// the counts of their hunk, so a line of a file never looks like a header.
pub(crate) fn coloured(patch: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(patch.len() + patch.len() / 4);
    let mut left = Left::default();
    for line in patch.split_inclusive(|&byte| byte == b'\n') {
        let colour = left.colour(line);
        let (body, end) = match line.strip_suffix(b"\n") {
            Some(body) => (body, &b"\n"[..]),
            None => (line, &b""[..]),
        };
        match colour {
            Some(colour) if !body.is_empty() => {
                text.extend_from_slice(format!("\x1b[{colour}m").as_bytes());
                text.extend_from_slice(body);
                text.extend_from_slice(b"\x1b[0m");
            }
            _ => text.extend_from_slice(body),
        }
        text.extend_from_slice(end);
    }
    text
}

/// How many lines of the hunk are to come, on the old and on the new side.
#[derive(Debug, Default)]
struct Left {
    old: u64,
    new: u64,
}

impl Left {
    fn colour(&mut self, line: &[u8]) -> Option<&'static str> {
        const HEADERS: [&[u8]; 3] = [b"diff --git ", b"--- ", b"+++ "];
        if self.old > 0 || self.new > 0 {
            return self.body(line);
        }
        if line.starts_with(b"@@ ") {
            *self = Self::of(line).unwrap_or_default();
            return Some("36");
        }
        let is_header = HEADERS.iter().any(|header| line.starts_with(header));
        is_header.then_some("1")
    }

    fn body(&mut self, line: &[u8]) -> Option<&'static str> {
        let (old, new, colour) = match line.first() {
            Some(b'+') => (0, 1, Some("32")),
            Some(b'-') => (1, 0, Some("31")),
            Some(b'\\') => (0, 0, None),
            _ => (1, 1, None),
        };
        self.old = self.old.saturating_sub(old);
        self.new = self.new.saturating_sub(new);
        colour
    }

    /// The counts of a header such as `@@ -1,3 +1,4 @@`; a count that is left out is 1.
    fn of(header: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(header);
        let mut words = text.split(' ').skip(1);
        let mut count = |sign: char| -> Option<u64> {
            let range = words.next()?.strip_prefix(sign)?;
            range
                .split_once(',')
                .map_or(Some(1), |(_, count)| count.parse().ok())
        };
        Some(Self {
            old: count('-')?,
            new: count('+')?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_header_looks_like_one() {
        let patch = "diff --git a/a b/a\nindex 1..2\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@ fn\n--- old\n+++ new\n same\n\\ No \
                     newline at end of file\ndiff --git a/b b/b\n@@ -1 +0,0 @@\n-\u{e9}";
        let shown = String::from_utf8(coloured(patch.as_bytes())).unwrap();
        let expected = "\x1b[1mdiff --git a/a b/a\x1b[0m\nindex 1..2\n\x1b[1m--- a/a\x1b[0m\n\x1b[1m+++ b/a\x1b[0m\n\
                        \x1b[36m@@ -1,2 +1,2 @@ fn\x1b[0m\n\x1b[31m--- old\x1b[0m\n\x1b[32m+++ new\x1b[0m\n same\n\
                        \\ No newline at end of file\n\x1b[1mdiff --git a/b b/b\x1b[0m\n\x1b[36m@@ -1 +0,0 @@\x1b[0m\n\
                        \x1b[31m-\u{e9}\x1b[0m";
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_but_colours_is_added() {
        let patch = b"@@ -1 +1 @@\n-\xff\r\n+\0\n\nGIT binary patch\nliteral 1\n";
        let shown = coloured(patch);
        let mut plain = Vec::new();
        let mut rest = &shown[..];
        while let Some((&byte, after)) = rest.split_first() {
            if byte == 0x1b {
                let end = after.iter().position(|&byte| byte == b'm').unwrap();
                rest = &after[end + 1..];
            } else {
                plain.push(byte);
                rest = after;
            }
        }
        assert_eq!(plain, patch);
    }
}
