//! What a workspace can be labelled with, and found by.

use std::collections::BTreeMap;

use crate::argument::{self, InvalidArgument};

/// How many labels a workspace has at most.
const MAX_LABELS: usize = 64;

const MAX_KEY_LEN: usize = 64;

const MAX_VALUE_CHARS: usize = 120;

/// Checks labels that a workspace is to have.
///
/// # Errors
/// If they are too many, or one breaks the rules of a key or a value.
pub(super) fn check(labels: &BTreeMap<String, String>) -> Result<(), InvalidArgument> {
    if labels.len() > MAX_LABELS {
        return Err(malformed("has more than 64 entries", ""));
    }
    labels.iter().try_for_each(|(key, value)| {
        check_key(key)?;
        check_value(value)
    })
}

/// Checks labels that workspaces are looked for by: one that none can have is a mistake, and not a search for nothing.
///
/// # Errors
/// As [`check`].
pub(super) fn check_wanted(wanted: &BTreeMap<String, Option<String>>) -> Result<(), InvalidArgument> {
    wanted.iter().try_for_each(|(key, value)| {
        check_key(key)?;
        value.as_deref().map_or(Ok(()), check_value)
    })
}

/// Whether these are labels that are looked for; without a value any will do.
pub(super) fn has(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, Option<String>>) -> bool {
    wanted.iter().all(|(key, wanted)| {
        labels
            .get(key)
            .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
    })
}

fn check_key(key: &str) -> Result<(), InvalidArgument> {
    let starts_well = key.starts_with(|c: char| c.is_ascii_alphanumeric());
    let goes_on_well = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if starts_well && goes_on_well && key.len() <= MAX_KEY_LEN {
        return Ok(());
    }
    let rule = "needs keys of 1 to 64 letters, digits, `.`, `_` and `-`";
    Err(malformed(rule, key))
}

fn check_value(value: &str) -> Result<(), InvalidArgument> {
    let chars = value.chars().count();
    if (1..=MAX_VALUE_CHARS).contains(&chars) && !value.contains(['\r', '\n']) {
        return Ok(());
    }
    Err(malformed(
        "needs values of 1 to 120 characters on one line",
        value,
    ))
}

fn malformed(problem: &'static str, given: &str) -> InvalidArgument {
    InvalidArgument::Malformed {
        name: "labels",
        problem,
        given: argument::excerpt(given),
    }
}
