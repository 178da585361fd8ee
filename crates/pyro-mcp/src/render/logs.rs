//! The history of a workspace as text.

use serde_json::Value;

use super::execution::seconds;
use super::json::Fields;
use super::stream::{Limit, More, Stream, write_stream};

/// How an entry of the history is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    /// The most characters of each of its streams.
    pub(crate) max_chars: usize,
    /// Whether its output was given up for that of later commands.
    pub(crate) is_given_up: bool,
}

/// Writes *logs*; `shown` has one item for each entry.
pub(crate) fn write_logs(object: &Value, shown: &[Shown]) -> String {
    let fields = Fields(object);
    let count = fields.number("count");
    let commands = super::json::counted(count, "command", "commands");
    let mut text = format!("{commands} · workspace {}\n", fields.text("workspace_id"));
    let mut generation = None;
    for (entry, shown) in fields.objects("entries").zip(shown) {
        let now = entry.number("generation");
        if generation.is_some_and(|before| before != now) {
            text.push_str(&format!("\n--- reset {now} ---\n"));
        }
        generation = Some(now);
        write_entry(&mut text, entry, *shown);
    }
    text
}

fn write_entry(text: &mut String, entry: Fields<'_>, shown: Shown) {
    let sequence = entry.number("sequence");
    text.push_str(&format!(
        "\n#{sequence} · {} · generation {} · {} · {}\n$ {}\n",
        ending(entry),
        entry.number("generation"),
        entry.text("recorded_at"),
        entry.text("cwd"),
        entry.verbatim("command").trim_end(),
    ));
    let limit = Limit {
        max_chars: shown.max_chars,
        more: More::Logs {
            sequence,
            offset: entry.number("offset"),
        },
    };
    for (heading, info) in [("stdout", "stdout_info"), ("stderr", "stderr_info")] {
        let stream = Stream {
            text: entry.verbatim(heading),
            omitted_bytes: entry.object(info).number("omitted_bytes"),
        };
        if !stream.text.is_empty() {
            write_stream(text, heading, stream, limit);
        }
    }
    if shown.is_given_up {
        text.push_str("\n(its output was given up to make room for that of later commands)\n");
    }
}

/// How a command of the history ended, or that it did not.
pub(super) fn ending(command: Fields<'_>) -> String {
    let outcome = command.text("outcome");
    let mut ending = outcome.replace('_', " ");
    if let Some(code) = command.0["exit_code"].as_i64() {
        ending = match &*outcome {
            "exited" => format!("exit {code}"),
            _ => format!("{ending}, exit {code}"),
        };
    }
    if let Some(took) = command.some_number("duration_ms") {
        ending.push_str(&format!(" in {}", seconds(took)));
    }
    ending
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: Shown = Shown {
        max_chars: 1000,
        is_given_up: false,
    };

    fn entry(sequence: u64, generation: u64, stdout: &str) -> Value {
        let info = json!({"bytes": 0, "omitted_bytes": 0, "stored_bytes": 0});
        json!({
            "sequence": sequence, "generation": generation, "command": "ls\n", "cwd": "/workspace", "exit_code": 0,
            "outcome": "exited", "duration_ms": 1234, "recorded_at": "T", "stdout": stdout, "stderr": "",
            "stdout_info": info, "stderr_info": info, "offset": 7,
        })
    }

    #[test]
    fn commands_have_their_ends_and_streams_and_a_reset_divides_them() {
        let mut second = entry(2, 1, "");
        second["outcome"] = "running".into();
        second["exit_code"] = Value::Null;
        second["duration_ms"] = Value::Null;
        let object = json!({
            "workspace_id": "3f2a91c0d4e5", "count": 2, "entries": [entry(1, 0, "a\n"), second],
        });
        assert_eq!(
            write_logs(&object, &[ALL, ALL]),
            "2 commands · workspace 3f2a91c0d4e5\n\
             \n\
             #1 · exit 0 in 1.2 s · generation 0 · T · /workspace\n\
             $ ls\n\
             \n\
             stdout:\n\
             a\n\
             \n\
             --- reset 1 ---\n\
             \n\
             #2 · running · generation 1 · T · /workspace\n\
             $ ls\n"
        );
    }

    #[test]
    fn a_cut_goes_on_from_the_offset_that_was_asked_for() {
        let object = json!({
            "workspace_id": "x", "count": 1, "entries": [entry(3, 0, &"0123456789".repeat(1000))],
        });
        let text = write_logs(&object, &[ALL]);
        assert!(
            text.contains("; workspace_logs sequence=3 offset=507 …]"),
            "{text}"
        );
    }

    #[test]
    fn output_that_was_given_up_is_said_to_be() {
        let object = json!({"workspace_id": "x", "count": 1, "entries": [entry(3, 0, "")]});
        let given_up = Shown {
            is_given_up: true,
            ..ALL
        };
        assert!(write_logs(&object, &[given_up]).contains("given up"));
    }

    #[test]
    fn every_end_has_its_words() {
        for (outcome, code, words) in [
            ("exited", json!(3), "exit 3 in 0.1 s"),
            ("timed_out", json!(124), "timed out, exit 124 in 0.1 s"),
            ("lost", Value::Null, "lost in 0.1 s"),
        ] {
            let command = json!({"outcome": outcome, "exit_code": code, "duration_ms": 100});
            assert_eq!(ending(Fields(&command)), words);
        }
    }
}
