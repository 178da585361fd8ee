//! Snapshots as people name them. The baseline is the only one that there is.

use pyro::Result;

use crate::failure::Failure;

/// What every workspace has.
pub(super) const BASELINE: &str = "baseline";

/// Checks that a name is one of a snapshot that the workspace has.
///
/// # Errors
/// `invalid-argument` if it cannot be the name of one, `item-not-found` for any but the baseline.
pub(super) fn check(option: &str, name: &str, workspace: &str) -> Result<()> {
    if name == BASELINE {
        return Ok(());
    }
    if !is_name(name) {
        let given: String = name.chars().take(80).collect();
        let message = format!("`{option}` cannot be `{}`", given.escape_debug());
        let hint = "names of snapshots have 1 to 64 letters, digits, `.`, `_` and `-`, and begin with a letter or digit";
        return Err(Failure::invalid(message, hint).into());
    }
    Err(Failure::NoSnapshot {
        name: name.to_owned(),
        workspace: workspace.to_owned(),
    }
    .into())
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use pyro::ErrorCode;

    use super::*;

    #[test]
    fn only_the_baseline_is_there() {
        check("--from", "baseline", "alpha").unwrap();
        let error = check("--from", "before", "alpha").unwrap_err();
        assert_eq!(error.code(), ErrorCode::ItemNotFound);
        assert_eq!(
            error.to_json(),
            serde_json::json!({
                "code": "item-not-found",
                "message": "no snapshot `before` in `alpha`",
                "hint": "snapshots: baseline",
                "details": {"kind": "snapshot"},
            })
        );
    }

    #[test]
    fn what_is_no_name_is_an_invalid_argument() {
        for name in ["", "../x", "-a", "a b", "a\n", &"a".repeat(65)] {
            let error = check("--from", name, "alpha").unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{name}");
            assert!(error.hint().is_some());
        }
    }
}
