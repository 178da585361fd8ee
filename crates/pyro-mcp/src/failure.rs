//! Failures as tool results: what a model reads, and what programs do.

use pyro::Error;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::options::Structured;
use crate::render;

/// The longest text of a failure, in characters.
const MOST_CHARS: usize = 1000;

/// The longest message and the longest hint in it.
const MOST_PART_CHARS: usize = 350;

/// The result of a call that could not do its job.
pub(crate) fn failure(error: &Error, structured: Structured) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(text(error))]);
    if structured == Structured::All {
        let mut object = error.to_json();
        if let Some(hint) = hint(error) {
            object["hint"] = hint.into();
        }
        result.structured_content = Some(json!({"error": object}));
    }
    result
}

/// The next step, in a tool's words: the library names the size of a VM as the command line does.
fn hint(error: &Error) -> Option<String> {
    error.hint().map(|hint| hint.replace("--mem-mib", "mem_mib"))
}

fn text(error: &Error) -> String {
    let part = |text: &str| bounded(render::clean(text).trim_end(), MOST_PART_CHARS);
    let mut text = format!("error {}: {}", error.code(), part(&error.message()));
    if let Some(hint) = hint(error) {
        text.push_str("\nhint: ");
        text.push_str(&part(&hint));
    }
    // Hosts show a model either the text or the structured form, so facts such as a console's last lines go here too.
    let details: String = error
        .details()
        .into_iter()
        .flatten()
        .map(|(name, value)| detail(&name, &value))
        .collect();
    let room = MOST_CHARS.saturating_sub(text.chars().count());
    text.push_str(&bounded(&details, room));
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
    use pyro::{Diagnosis, ErrorCode};
    use serde_json::Map;

    use super::*;

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

    fn shown(result: &CallToolResult) -> String {
        result.content[0].as_text().unwrap().text.clone()
    }

    #[test]
    fn a_failure_is_code_message_hint_and_details() {
        let result = failure(&sample("kernel panic", "one\n\x1b[31mtwo\n"), Structured::Auto);
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
        let result = failure(&sample("kernel panic", ""), Structured::All);
        let structured = result.structured_content.unwrap();
        assert_eq!(structured["error"]["code"], "boot-failed");
        assert_eq!(structured["error"]["details"]["status"], 1);
    }

    #[test]
    fn a_hint_names_parameters_and_not_flags() {
        let result = failure(&sample("kernel panic", ""), Structured::All);
        let structured = result.structured_content.as_ref().unwrap();
        assert_eq!(
            structured["error"]["hint"],
            "last console lines are in `details`; raise `mem_mib`"
        );
        assert!(shown(&result).contains("raise `mem_mib`"));
    }

    #[test]
    fn a_failure_is_never_longer_than_its_limit_and_keeps_its_hint() {
        let text = shown(&failure(
            &sample(&"x".repeat(9000), &"y".repeat(9000)),
            Structured::Auto,
        ));
        assert!(text.chars().count() <= MOST_CHARS, "{}", text.len());
        assert!(
            text.starts_with("error boot-failed: ") && text.contains("hint: last console"),
            "{text}"
        );
    }
}
