//! One stream of a command as text, cut to what a call may show.

use pyro::VmId;
use pyro::object::StreamInfo;

use super::{clean, cut, grouped};

/// The limit that cannot be raised any further.
const MOST_OUTPUT_CHARS: usize = 200_000;

/// One stream of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream<'a> {
    /// What was kept of it.
    pub(crate) text: &'a str,
    /// What was not.
    pub(crate) omitted_bytes: u64,
}

/// How to get at what is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum More {
    /// From a one-shot run, for as long as its result is kept.
    Run(VmId),
    /// From the history of its workspace.
    Logs {
        /// The command's number.
        sequence: u64,
        /// From which byte of what is kept the text is.
        offset: u64,
    },
}

/// The limits of what is shown of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) max_chars: usize,
    pub(crate) more: More,
}

/// Writes a stream under its heading.
pub(crate) fn write_stream(text: &mut String, heading: &str, stream: Stream<'_>, limit: Limit) {
    text.push('\n');
    text.push_str(heading);
    let cleaned = clean(stream.text);
    let body = match cut(&cleaned, limit.max_chars) {
        Some(cut) => {
            let omitted_bytes = cut.omitted_bytes + stream.omitted_bytes;
            cut.join(&gap(heading, cut.head, omitted_bytes, limit)).into()
        }
        None => {
            // The library left out the middle and what it kept fits: the text does not show where the gap is.
            if stream.omitted_bytes > 0 {
                let omitted = grouped(stream.omitted_bytes);
                text.push_str(&format!(" ({omitted} bytes of its middle were not kept)"));
            }
            cleaned
        }
    };
    text.push_str(":\n");
    text.push_str(&body);
    if !body.ends_with('\n') {
        text.push('\n');
    }
}

/// Cuts a stream of an object as the text does, keeping terminal control sequences; returns where the history goes on.
pub(crate) fn shorten_stream(
    heading: &str,
    text: &mut String,
    info: &mut StreamInfo,
    limit: Limit,
) -> Option<u64> {
    let (shorter, omitted_bytes, goes_on) = shortened(heading, text, info.omitted_bytes, limit)?;
    *text = shorter;
    info.truncated = true;
    info.omitted_bytes = omitted_bytes;
    info.stored_bytes = info.bytes.saturating_sub(omitted_bytes);
    Some(goes_on)
}

fn shortened(heading: &str, text: &str, omitted_bytes: u64, limit: Limit) -> Option<(String, u64, u64)> {
    let cut = cut(text, limit.max_chars)?;
    let omitted_bytes = cut.omitted_bytes + omitted_bytes;
    let joined = cut.join(&gap(heading, cut.head, omitted_bytes, limit));
    Some((joined, omitted_bytes, goes_on(cut.head, limit.more)))
}

/// From which byte of what is kept to read on, after a shown beginning.
fn goes_on(head: &str, more: More) -> u64 {
    let begin = match more {
        More::Run(_) => 0,
        More::Logs { offset, .. } => offset,
    };
    begin.saturating_add(least_bytes(head))
}

fn gap(heading: &str, head: &str, omitted_bytes: u64, limit: Limit) -> String {
    // With more left out than the highest limit can show, raising it is not the way.
    let is_of_use = limit.max_chars < MOST_OUTPUT_CHARS && omitted_bytes <= MOST_OUTPUT_CHARS as u64;
    let way = match limit.more {
        More::Run(vm_id) if is_of_use => {
            format!(
                "vm_run vm_id={vm_id} max_output_chars={MOST_OUTPUT_CHARS}, or print less with head, tail, grep"
            )
        }
        More::Run(_) => "print less with head, tail, grep".to_owned(),
        More::Logs { sequence, .. } => {
            let stream = if heading == "stderr" { " stream=stderr" } else { "" };
            let offset = goes_on(head, limit.more);
            format!("workspace_logs sequence={sequence}{stream} offset={offset}")
        }
    };
    format!("[… {} bytes omitted; {way} …]", grouped(omitted_bytes))
}

/// How many bytes of output a shown text stands for at the least: where it goes on, nothing may be missing.
///
/// What was removed only adds to it, and a replacement character may stand for a single byte.
fn least_bytes(shown: &str) -> u64 {
    let bytes: usize = shown
        .chars()
        .map(|c| {
            if c == char::REPLACEMENT_CHARACTER {
                1
            } else {
                c.len_utf8()
            }
        })
        .sum();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_a_run() -> Limit {
        Limit {
            max_chars: 1000,
            more: More::Run("3f2a91c0d4e5".parse().unwrap()),
        }
    }

    #[test]
    fn the_object_is_cut_like_the_text_but_keeps_control_sequences() {
        assert_eq!(shortened("stdout", "short", 0, of_a_run()), None);
        let red = "\x1b[31mr\x1b[0m\n".repeat(500);
        let (text, omitted_bytes, _) = shortened("stdout", &red, 7, of_a_run()).unwrap();
        assert!(text.contains('\x1b') && text.contains("bytes omitted"));
        let kept: usize = text
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("[…"))
            .map(str::len)
            .sum();
        assert_eq!(u64::try_from(red.len() - kept).unwrap() + 7, omitted_bytes);
    }

    #[test]
    fn a_gap_names_where_the_history_goes_on() {
        let limit = Limit {
            max_chars: 1000,
            more: More::Logs {
                sequence: 4,
                offset: 100,
            },
        };
        let lines = "0123456789\n".repeat(1000);
        let mut text = String::new();
        let stream = Stream {
            text: &lines,
            omitted_bytes: 0,
        };
        write_stream(&mut text, "stdout", stream, limit);
        // 45 whole lines of 11 bytes fit into half of the limit, and 100 were skipped.
        assert!(
            text.contains("bytes omitted; workspace_logs sequence=4 offset=595 …]"),
            "{text}"
        );
        write_stream(&mut text, "stderr", stream, limit);
        assert!(text.contains("; workspace_logs sequence=4 stream=stderr offset=595 …]"));
    }

    #[test]
    fn nothing_is_skipped_over_what_was_replaced_or_removed() {
        assert_eq!(least_bytes("ab\u{fffd}é"), 5);
    }
}
