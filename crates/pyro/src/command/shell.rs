//! What becomes of a shell string in an image without a shell.

/// The words of a string that means the same with and without a shell; `None` if only a shell understands it.
///
/// Words may be quoted as in POSIX (XCU 2.2); anything that expands, redirects or connects commands needs a shell.
pub(super) fn plain_words(text: &str) -> Option<Vec<String>> {
    if needs_shell(text) {
        return None;
    }
    shell_words::split(text).ok().filter(|words| !words.is_empty())
}

fn needs_shell(text: &str) -> bool {
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match quote {
            Some('\'') if c != '\'' => {}
            Some('"') if matches!(c, '$' | '`') => return true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == '\\' => drop(characters.next()),
            None if "|&;<>()$`*?[]{}#~!=\n".contains(c) => return true,
            None => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_quoted_words_need_no_shell() {
        assert_eq!(plain_words("git --version").unwrap(), ["git", "--version"]);
        assert_eq!(
            plain_words(r#"echo 'a; b' "c d" e\ f"#).unwrap(),
            ["echo", "a; b", "c d", "e f"]
        );
    }

    #[test]
    fn what_expands_or_connects_needs_a_shell() {
        for text in [
            "a && b",
            "a | b",
            "echo $HOME",
            "ls *",
            "A=1 b",
            "a > f",
            "echo \"$x\"",
            "a\nb",
            "echo 'x",
            "",
        ] {
            assert_eq!(plain_words(text), None, "{text}");
        }
    }
}
