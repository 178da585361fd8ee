//! Hunks that do not fit, as the error's details have them.

use serde_json::{Map, Value};

use crate::table::escaped;

/// For each hunk its file, its number, the reason, and below it the lines of the file that are most like its own. What is
/// missing in the details is left out.
pub(super) fn lines(details: Option<&Map<String, Value>>) -> Vec<String> {
    let hunks = details.and_then(|details| details.get("hunks")?.as_array());
    hunks.into_iter().flatten().flat_map(hunk).collect()
}

fn hunk(hunk: &Value) -> Vec<String> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| hunk.get(name)?.as_str());
    let file = text(["file", "path"]).map_or_else(|| "?".to_owned(), escaped);
    let reason = text(["reason", "message"]).map_or_else(|| "does not fit".to_owned(), escaped);
    let number = match hunk.get("hunk").and_then(Value::as_u64) {
        Some(number) => format!(", hunk {number}"),
        None => String::new(),
    };
    let mut lines = vec![format!("{file}{number}: {reason}")];
    let nearest = ["nearest", "nearest_lines"]
        .iter()
        .find_map(|name| hunk.get(name)?.as_array());
    lines.extend(nearest.into_iter().flatten().filter_map(near_line));
    lines
}

fn near_line(line: &Value) -> Option<String> {
    let number = line.get("line")?.as_u64()?;
    let text = escaped_line(line.get("text")?.as_str()?);
    Some(format!("{number:>7} | {text}"))
}

/// A line of a file; its tabs stay, because indentation is what often does not fit.
fn escaped_line(text: &str) -> String {
    text.split('\t').map(escaped).collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_hunk_is_told_with_its_reason_and_the_nearest_lines() {
        let details = json!({"hunks": [
            {
                "file": "src/a.rs", "hunk": 2, "reason": "its lines are elsewhere",
                "nearest": [{"line": 9, "text": "\tfn main() {"}, {"line": 10, "text": "\u{1b}[2J"}],
            },
            {"file": "b\nerror: c", "hunk": null, "reason": "there is no such file", "nearest": []},
        ]});
        assert_eq!(
            lines(details.as_object()),
            [
                "src/a.rs, hunk 2: its lines are elsewhere",
                "      9 | \tfn main() {",
                "     10 | \\u{1b}[2J",
                "b\\nerror: c: there is no such file",
            ]
        );
    }

    #[test]
    fn details_of_another_shape_are_no_reason_to_fail() {
        assert!(lines(None).is_empty());
        for details in [json!({}), json!({"hunks": 3}), json!({"hunks": {"file": "a"}})] {
            assert!(lines(details.as_object()).is_empty(), "{details}");
        }
        let details = json!({"hunks": [{}, 4, {"file": 1, "nearest": [1, {"line": "x"}, {"line": 1}]}]});
        assert_eq!(lines(details.as_object()), ["?: does not fit"; 3]);
    }
}
