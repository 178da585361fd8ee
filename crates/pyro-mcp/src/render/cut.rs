//! Text over its limit: its beginning and its end, with what lies between left out.

/// What is left of a text that was over its limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut<'a> {
    /// The beginning.
    pub(crate) head: &'a str,
    /// The end.
    pub(crate) tail: &'a str,
    /// The bytes between them.
    pub(crate) omitted_bytes: u64,
}

impl Cut<'_> {
    /// Head and tail with a line of its own between them.
    pub(crate) fn join(&self, between: &str) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + between.len() + 2);
        text.push_str(self.head);
        if !self.head.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(between);
        text.push('\n');
        text.push_str(self.tail);
        text
    }
}

/// Cuts a text of more than `max_chars` characters down to equal parts of its beginning and its end.
///
/// Each part ends at a line end, unless that would cost more than half of it.
pub(crate) fn cut(text: &str, max_chars: usize) -> Option<Cut<'_>> {
    if text.len() <= max_chars || text.chars().nth(max_chars).is_none() {
        return None;
    }
    let tail_chars = max_chars / 2;
    let head = before_line_end(&text[..start_of(text, max_chars - tail_chars)]);
    let tail = after_line_end(&text[start_of_last(text, tail_chars)..]);
    let omitted = text.len() - head.len() - tail.len();
    Some(Cut {
        head,
        tail,
        omitted_bytes: u64::try_from(omitted).unwrap_or(u64::MAX),
    })
}

/// Where the character of this index starts.
fn start_of(text: &str, index: usize) -> usize {
    text.char_indices()
        .nth(index)
        .map_or(text.len(), |(start, _)| start)
}

/// Where the last `count` characters start.
fn start_of_last(text: &str, count: usize) -> usize {
    match count.checked_sub(1) {
        Some(index) => text.char_indices().nth_back(index).map_or(0, |(start, _)| start),
        None => text.len(),
    }
}

fn before_line_end(head: &str) -> &str {
    match head.rfind('\n') {
        Some(end) if end >= head.len() / 2 => &head[..=end],
        _ => head,
    }
}

fn after_line_end(tail: &str) -> &str {
    match tail.find('\n') {
        Some(end) if end < tail.len() / 2 => &tail[end + 1..],
        _ => tail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_within_its_limit_is_left_alone() {
        assert_eq!(cut("", 10), None);
        assert_eq!(cut("1234567890", 10), None);
        assert_eq!(cut("ßßßßßßßßßß", 10), None);
    }

    #[test]
    fn beginning_and_end_are_kept_in_equal_parts() {
        assert_eq!(
            cut("0123456789abcdef", 10),
            Some(Cut {
                head: "01234",
                tail: "bcdef",
                omitted_bytes: 6
            })
        );
        assert_eq!(
            cut("ßßßßßßßß", 4),
            Some(Cut {
                head: "ßß",
                tail: "ßß",
                omitted_bytes: 8
            })
        );
    }

    #[test]
    fn cuts_fall_on_line_ends_where_possible() {
        let lines: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let cut = cut(&lines, 200).unwrap();
        assert!(cut.head.ends_with('\n'));
        assert!(cut.tail.starts_with("line "));
        assert!(cut.tail.ends_with("line 999\n"));
        assert_eq!(
            usize::try_from(cut.omitted_bytes).unwrap() + cut.head.len() + cut.tail.len(),
            lines.len()
        );
        let joined = cut.join("[gap]");
        assert!(joined.lines().any(|line| line == "[gap]"), "{joined}");
    }

    #[test]
    fn one_early_line_end_does_not_cost_the_rest() {
        let text = format!("x\n{}\ny", "z".repeat(1000));
        let cut = cut(&text, 100).unwrap();
        assert_eq!((cut.head.len(), cut.tail.len()), (50, 50));
    }

    #[test]
    fn every_limit_is_kept() {
        let text = "aé\n".repeat(100);
        for max_chars in 0..300 {
            let cut = cut(&text, max_chars).unwrap();
            assert!(cut.head.chars().count() + cut.tail.chars().count() <= max_chars);
        }
    }
}
