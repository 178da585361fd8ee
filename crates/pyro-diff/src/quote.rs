//! Names as Git writes them: bare, or in double quotes with C-style escapes.

/// Appends a name, in quotes if it has a byte that Git (with its default `core.quotePath`) would not write bare.
pub(crate) fn push_name(out: &mut Vec<u8>, prefix: &[u8], path: &[u8]) {
    let bare = |byte: &u8| (b' '..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
    if path.iter().all(bare) {
        out.extend_from_slice(prefix);
        out.extend_from_slice(path);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(prefix);
    for &byte in path {
        match escape(byte) {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None if bare(&byte) => out.push(byte),
            None => {
                let digit = |shift: u8| b'0' + ((byte >> shift) & 7);
                out.extend_from_slice(&[b'\\', digit(6), digit(3), digit(0)]);
            }
        }
    }
    out.push(b'"');
}

/// Reads a name in quotes, and returns it with what follows the closing quote. `None` if it is not well-formed.
pub(crate) fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut name = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((name, rest)),
            b'\\' => {
                let (&letter, after) = rest.split_first()?;
                if letter.is_ascii_digit() {
                    let digits = rest.first_chunk::<3>()?;
                    name.push(octal(digits)?);
                    rest = &rest[3..];
                } else {
                    name.push(unescape(letter)?);
                    rest = after;
                }
            }
            other => name.push(other),
        }
    }
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}

const ESCAPES: [(u8, u8); 9] = [
    (0x07, b'a'),
    (0x08, b'b'),
    (b'\t', b't'),
    (b'\n', b'n'),
    (0x0b, b'v'),
    (0x0c, b'f'),
    (b'\r', b'r'),
    (b'"', b'"'),
    (b'\\', b'\\'),
];

fn escape(byte: u8) -> Option<u8> {
    ESCAPES.iter().find(|pair| pair.0 == byte).map(|pair| pair.1)
}

fn unescape(letter: u8) -> Option<u8> {
    ESCAPES.iter().find(|pair| pair.1 == letter).map(|pair| pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(path: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_name(&mut out, b"a/", path);
        out
    }

    #[test]
    fn plain_names_and_blanks_stay_bare() {
        assert_eq!(quoted(b"a b'c.rs"), b"a/a b'c.rs");
    }

    #[test]
    fn what_git_quotes_is_quoted_alike() {
        assert_eq!(quoted("ü\t\"\\\n\x01".as_bytes()), br#""a/\303\274\t\"\\\n\001""#);
    }

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = quoted(&all);
        text.extend_from_slice(b"\trest");
        let (name, rest) = unquote(&text).unwrap();
        assert_eq!(name, [b"a/", &all[..]].concat());
        assert_eq!(rest, b"\trest");
    }

    #[test]
    fn malformed_quotes_are_refused() {
        for text in [
            &b"\"abc"[..],
            b"abc",
            b"\"\\",
            b"\"\\x41\"",
            b"\"\\9\"",
            b"\"\\777\"",
            b"\"\\12\"",
        ] {
            assert_eq!(unquote(text), None, "{}", text.escape_ascii());
        }
    }
}
