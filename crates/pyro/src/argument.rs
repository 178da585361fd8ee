//! Values that a caller gives, checked against their ranges before any work starts.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Diagnosis, ErrorCode};

/// A value that cannot be used.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum InvalidArgument {
    /// A number outside its range.
    #[error("`{name}` must be {min}–{max}, got {given}")]
    OutOfRange {
        /// The parameter, as the library and MCP name it.
        name: &'static str,
        /// The least allowed value.
        min: u64,
        /// The greatest allowed value.
        max: u64,
        /// What was given.
        given: u64,
    },
    /// Text over its limit.
    #[error("`{name}` has {given} bytes, the limit is {limit}")]
    TooLong {
        /// The parameter.
        name: &'static str,
        /// Bytes given.
        given: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A value of the wrong form.
    #[error("`{name}` {problem}{}", shown(.given))]
    Malformed {
        /// The parameter.
        name: &'static str,
        /// What is wrong, as in "must not be empty".
        problem: &'static str,
        /// What was given, or a part of it.
        given: String,
    },
}

fn shown(given: &str) -> String {
    if given.is_empty() {
        String::new()
    } else {
        format!(": `{given}`")
    }
}

impl Diagnosis for InvalidArgument {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::OutOfRange { name, min, max, .. } => {
                Some(format!("pass a `{name}` of at least {min} and at most {max}"))
            }
            Self::TooLong { .. } => Some("send long data through standard input instead".to_owned()),
            Self::Malformed { name: "labels", .. } => {
                Some("write labels as KEY=VALUE, as in `branch=main`".to_owned())
            }
            Self::Malformed { name: "signal", .. } => {
                Some("name one, as TERM, INT, KILL, HUP or USR1".to_owned())
            }
            Self::Malformed { .. } => None,
        }
    }
}

/// Checks a number against its range.
///
/// # Errors
/// [`InvalidArgument::OutOfRange`] if it is outside.
pub fn in_range(name: &'static str, given: u64, range: &RangeInclusive<u64>) -> Result<u64, InvalidArgument> {
    if range.contains(&given) {
        return Ok(given);
    }
    Err(InvalidArgument::OutOfRange {
        name,
        min: *range.start(),
        max: *range.end(),
        given,
    })
}

/// Reads a duration such as `7d`, `12h` or `1d 12h`; a day has 24 hours, a week 7 days.
///
/// # Errors
/// [`InvalidArgument::Malformed`] if it is none, or less than nothing.
pub fn duration(name: &'static str, text: &str) -> Result<Duration, InvalidArgument> {
    let parse = || {
        let span: jiff::Span = text.parse().ok()?;
        let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok()
    };
    parse().ok_or_else(|| InvalidArgument::Malformed {
        name,
        problem: "must be a duration such as `7d` or `12h`",
        given: excerpt(text),
    })
}

/// Checks the name of an environment variable: `[A-Za-z_][A-Za-z0-9_]{0,63}`.
///
/// # Errors
/// [`InvalidArgument::Malformed`] if it is none.
pub fn variable_name(name: &str) -> Result<(), InvalidArgument> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if starts_well && goes_on_well && name.len() <= 64 {
        return Ok(());
    }
    Err(InvalidArgument::Malformed {
        name: "env",
        problem: "needs names of letters, digits and `_`",
        given: excerpt(name),
    })
}

/// Checks that a value can be passed through system calls.
///
/// # Errors
/// [`InvalidArgument::Malformed`] if it has a NUL byte.
pub fn no_nul(name: &'static str, value: &[u8]) -> Result<(), InvalidArgument> {
    if !value.contains(&0) {
        return Ok(());
    }
    Err(InvalidArgument::Malformed {
        name,
        problem: "must not contain a NUL byte",
        given: excerpt(&String::from_utf8_lossy(value)),
    })
}

/// As much of a refused value as fits into a sentence, with everything unprintable escaped.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars()
        .take(80)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

/// The time a command may take: 1–86,400 seconds.
pub const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=86_400;

/// The idle time a VM is allowed: 60–604,800 seconds.
pub const TTL_SECONDS: RangeInclusive<u64> = 60..=604_800;

/// The time a command may take where the caller names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The idle time a one-shot VM is allowed where the caller names none.
pub const DEFAULT_VM_TTL: Duration = Duration::from_secs(600);

/// How long a workspace may be idle, unless it is said otherwise.
pub const DEFAULT_WORKSPACE_TTL: Duration = Duration::from_secs(3600);

/// The longest shell string, in bytes.
pub const MAX_SHELL_BYTES: usize = 131_071;

/// The longest argument vector, in bytes over all words.
pub const MAX_ARGV_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let seconds = |text| duration("older_than", text).unwrap().as_secs();
        assert_eq!(seconds("7d"), 7 * 86_400);
        assert_eq!(seconds("2w"), 14 * 86_400);
        assert_eq!(seconds("1d 12h"), 36 * 3_600);
        assert_eq!(seconds("90m"), 5_400);
        assert_eq!(seconds("0s"), 0);
        for text in ["", "7", "d", "-1d", "1 month", "soon", "1d\u{1b}"] {
            let error = duration("older_than", text).unwrap_err();
            assert!(error.to_string().starts_with("`older_than` must be"), "{error}");
            assert!(!error.to_string().contains(char::is_control));
        }
    }
}
