//! Failures as tool results: what a model reads, and what programs do.

use pyro::Error;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::render;
use crate::words::Words;

/// The longest text of a failure, in characters.
const MOST_CHARS: usize = 1000;

/// The longest message and the longest hint in it.
const MOST_PART_CHARS: usize = 350;

/// The most items shown of a list in the details, each on a line of its own.
const MOST_ITEMS: usize = 50;

/// The longest line of an item.
const MOST_ITEM_CHARS: usize = 600;

/// The result of a call that could not do its job.
pub(crate) fn failure(error: &Error, words: &Words, is_structured: bool) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(text(error, words))]);
    if is_structured {
        let mut object = error.to_json();
        object["message"] = words.without_places(&error.message()).into();
        if let Some(hint) = error.hint() {
            object["hint"] = words.hint(&hint).into();
        }
        result.structured_content = Some(json!({"error": object}));
    }
    result
}

fn text(error: &Error, words: &Words) -> String {
    let part = |text: &str| bounded(render::clean(text).trim_end(), MOST_PART_CHARS);
    let message = words.without_places(&error.message());
    let mut text = format!("error {}: {}", error.code(), part(&message));
    if let Some(hint) = error.hint() {
        text.push_str("\nhint: ");
        text.push_str(&part(&words.hint(&hint)));
    }
    // Hosts show a model either the text or the structured form, so facts such as a console's last lines go here too.
    let (lists, facts): (Vec<_>, Vec<_>) = error
        .details()
        .into_iter()
        .flatten()
        .partition(|(_, value)| value.is_array());
    let facts: String = facts.iter().map(|(name, value)| detail(name, value)).collect();
    let room = MOST_CHARS.saturating_sub(text.chars().count());
    text.push_str(&bounded(&facts, room));
    for (name, list) in &lists {
        text.push_str(&items(name, list.as_array().map_or(&[], Vec::as_slice)));
    }
    text
}

fn detail(name: &str, value: &Value) -> String {
    match value {
        Value::String(lines) if lines.contains('\n') => {
            format!("\n{name}:\n{}", render::clean(lines).trim_end())
        }
        Value::String(line) => format!("\n{name}: {}", render::clean(line)),
        other => format!("\n{name}: {other}"),
    }
}

/// A list, such as the hunks of a patch that do not fit, with one line for each item.
fn items(name: &str, list: &[Value]) -> String {
    let mut text = format!("\n{name}:");
    for item in list.iter().take(MOST_ITEMS) {
        text.push_str("\n- ");
        text.push_str(&bounded(&item_line(item), MOST_ITEM_CHARS).replace('\n', " "));
    }
    if list.len() > MOST_ITEMS {
        text.push_str(&format!("\n- and {} more", list.len() - MOST_ITEMS));
    }
    text
}

fn item_line(item: &Value) -> String {
    let shown = |value: &Value| match value {
        Value::String(text) => render::clean(text).into_owned(),
        other => other.to_string(),
    };
    match item {
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", shown(value)))
                .collect();
            fields.join(", ")
        }
        other => shown(other),
    }
}

fn bounded(text: &str, max_chars: usize) -> String {
    const GAP: &str = "[…]";
    // Room for the gap and its line ends.
    match render::cut(text, max_chars.saturating_sub(GAP.len() + 2)) {
        Some(cut) => cut.join(GAP),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pyro::{Diagnosis, ErrorCode, Settings};
    use serde_json::Map;

    use super::*;
    use crate::profile::Profile;

    #[derive(Debug, thiserror::Error)]
    #[error("VM ended after 0.4 s: {cause}")]
    struct Sample {
        cause: String,
        console: String,
    }

    impl Diagnosis for Sample {
        fn code(&self) -> ErrorCode {
            ErrorCode::BootFailed
        }

        fn hint(&self) -> Option<String> {
            Some("last console lines are in `details`; raise `--mem-mib`".to_owned())
        }

        fn details(&self) -> Option<Map<String, Value>> {
            json!({"console": self.console, "status": 1}).as_object().cloned()
        }
    }

    fn sample(cause: &str, console: &str) -> Error {
        Error::from(Sample {
            cause: cause.to_owned(),
            console: console.to_owned(),
        })
    }

    fn failed(error: &Error, is_structured: bool) -> CallToolResult {
        failure(
            error,
            &Words::of_profile(&Settings::new("/state", "/cache"), Profile::WorkspaceCore),
            is_structured,
        )
    }

    fn shown(result: &CallToolResult) -> String {
        result.content[0].as_text().unwrap().text.clone()
    }

    #[test]
    fn a_failure_is_code_message_hint_and_details() {
        let result = failed(&sample("kernel panic", "one\n\x1b[31mtwo\n"), false);
        assert_eq!(result.is_error, Some(true));
        assert_eq!(result.structured_content, None);
        assert_eq!(
            shown(&result),
            "error boot-failed: VM ended after 0.4 s: kernel panic\n\
             hint: last console lines are in `details`; raise `mem_mib`\n\
             console:\n\
             one\n\
             two\n\
             status: 1"
        );
    }

    #[test]
    fn with_structure_the_object_is_there_too() {
        let result = failed(&sample("kernel panic", ""), true);
        let structured = result.structured_content.unwrap();
        assert_eq!(structured["error"]["code"], "boot-failed");
        assert_eq!(structured["error"]["details"]["status"], 1);
    }

    #[test]
    fn a_hint_names_parameters_and_not_flags() {
        let result = failed(&sample("kernel panic", ""), true);
        let structured = result.structured_content.as_ref().unwrap();
        assert_eq!(
            structured["error"]["hint"],
            "last console lines are in `details`; raise `mem_mib`"
        );
        assert!(shown(&result).contains("raise `mem_mib`"));
    }

    #[test]
    fn a_failure_is_never_longer_than_its_limit_and_keeps_its_hint() {
        let text = shown(&failed(&sample(&"x".repeat(9000), &"y".repeat(9000)), false));
        assert!(text.chars().count() <= MOST_CHARS, "{}", text.len());
        assert!(
            text.starts_with("error boot-failed: ") && text.contains("hint: last console"),
            "{text}"
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("2 of 3 hunks do not fit")]
    struct Hunks;

    impl Diagnosis for Hunks {
        fn code(&self) -> ErrorCode {
            ErrorCode::PatchFailed
        }

        fn details(&self) -> Option<Map<String, Value>> {
            let hunks = json!({"hunks": [
                {"path": "a", "hunk": 1, "reason": "no such line", "near": ["x\ny"]},
                {"path": "b", "hunk": 2, "reason": "z".repeat(5000)},
            ]});
            hunks.as_object().cloned()
        }
    }

    #[test]
    fn each_item_of_a_list_has_a_line_whatever_its_length() {
        let text = shown(&failed(&Hunks.into(), false));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[1], "hunks:");
        assert_eq!(
            lines[2],
            "- hunk: 1, near: [\"x\\ny\"], path: a, reason: no such line"
        );
        assert!(lines[3].chars().count() <= MOST_ITEM_CHARS + 2);
    }
}
