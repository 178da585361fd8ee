//! Environments as text.

use std::fmt::Write as _;

use serde_json::Value;

use super::json::{Fields, counted};

/// Writes an environment list: one line for each, with what it promises and whether it has to be fetched first.
pub(crate) fn write_environments(object: &Value) -> String {
    let fields = Fields(object);
    let mut text = format!(
        "{} · catalog {}\n",
        counted(fields.number("count"), "environment", "environments"),
        fields.text("catalog_version")
    );
    for environment in fields.objects("environments") {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{} · {} · {}",
            environment.text("name"),
            state(environment),
            environment.text("description")
        );
        let packages: Vec<_> = environment.texts("default_packages").collect();
        if !packages.is_empty() {
            let _ = write!(text, " · has {}", packages.join(", "));
        }
        for warning in environment.texts("warnings") {
            let _ = write!(text, " · warning: {warning}");
        }
        text.push('\n');
    }
    text
}

/// What its state means for a first use.
fn state(environment: Fields<'_>) -> String {
    let state = environment.text("state");
    match environment.some_number("size_bytes") {
        Some(bytes) => format!("installed, {state}, {} MiB", bytes.div_ceil(1 << 20)),
        None => format!("{state}, fetched on first use"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_environment_has_a_line_that_says_whether_it_is_there() {
        let object = json!({"catalog_version": "1", "count": 3, "environments": [
            {
                "name": "debian:12", "state": "cold", "size_bytes": (70 << 20) + 1, "description": "with git",
                "default_packages": ["bash", "git"], "warnings": [],
            },
            {"name": "debian:12-base", "state": "absent", "size_bytes": null, "description": "the essentials"},
            {
                "name": "own", "state": "corrupt", "size_bytes": 1, "description": "im\nported",
                "default_packages": [], "warnings": ["old"],
            },
        ]});
        assert_eq!(
            write_environments(&object),
            "3 environments · catalog 1\n\
             debian:12 · installed, cold, 71 MiB · with git · has bash, git\n\
             debian:12-base · absent, fetched on first use · the essentials\n\
             own · installed, corrupt, 1 MiB · im\\nported · warning: old\n"
        );
    }
}
