//! Output without what only a terminal understands.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// The end of a chunk of output that is searched for its last line.
const SEARCHED_BYTES: usize = 1024;

/// The longest line shown as progress, in characters.
const SHOWN_CHARS: usize = 200;

/// Removes terminal control sequences and control characters; a carriage return becomes a line end.
///
/// The grammar is that of ECMA-48: `ESC [` and its parameters to a final byte, `ESC ]` and its kin to a terminator, `ESC`
/// with intermediates to a final byte, and the same introduced by single C1 characters.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_special) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' => skip_escape(&mut rest),
            '\u{9b}' => skip_control(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    cleaned.push('\n');
                }
            }
            special if is_special(special) => {}
            plain => cleaned.push(plain),
        }
    }
    Cow::Owned(cleaned)
}

fn is_special(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|next| matches!(next, ' '..='/')).is_some() {}
            rest.next_if(|next| matches!(next, '0'..='~'));
        }
    }
}

fn skip_control(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|next| matches!(next, ' '..='?')).is_some() {}
    rest.next_if(|next| matches!(next, '@'..='~'));
}

/// Skips a string to its terminator. A line end stops it too, so that a stray introducer cannot swallow all that follows.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(next) = rest.next_if(|next| *next != '\n') {
        match next {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// The last line of a chunk of output that says something, fit to be shown as progress.
pub(crate) fn last_line(chunk: &[u8]) -> Option<String> {
    let end = &chunk[chunk.len().saturating_sub(SEARCHED_BYTES)..];
    let text = String::from_utf8_lossy(end);
    let cleaned = clean(&text);
    let line = cleaned
        .lines()
        // The search may begin within a character.
        .map(|line| line.trim_start_matches('\u{fffd}').trim())
        .rfind(|line| !line.is_empty())?;
    Some(line.chars().take(SHOWN_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_terminals_are_removed() {
        for (text, cleaned) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b[?25lhidden\x1b[?25h", "hidden"),
            ("\x1b]0;title\x07prompt", "prompt"),
            ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPdevice\x1b\\after", "after"),
            ("\x1b(Bascii", "ascii"),
            ("\x1b7saved\x1b8", "saved"),
            ("\u{9b}31mred", "red"),
            ("a\x08b\x07c\0d\x7f", "abcd"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
            ("cut off \x1b[3", "cut off "),
            ("cut off \x1b", "cut off "),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }

    #[test]
    fn a_string_without_end_costs_no_more_than_its_line() {
        assert_eq!(clean("\x1b]0;title\nnext line"), "\nnext line");
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(
            last_line(b"one\n\x1b[32mtwo\x1b[0m\n\n  \n").as_deref(),
            Some("two")
        );
        assert_eq!(last_line(b"10%\r20%\r30%").as_deref(), Some("30%"));
        assert_eq!(last_line(b"\n\n"), None);
        let long = "x".repeat(5000);
        assert_eq!(last_line(long.as_bytes()).unwrap().len(), SHOWN_CHARS);
        assert_eq!(
            last_line(&"é".repeat(5000).as_bytes()[1..])
                .unwrap()
                .chars()
                .next(),
            Some('é')
        );
    }
}
