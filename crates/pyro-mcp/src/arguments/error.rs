//! Why arguments cannot be used.

use std::ops::RangeInclusive;

use pyro::{Diagnosis, ErrorCode};

/// Arguments that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ArgumentError {
    /// Names that the tool does not have.
    #[error("`{tool}` has no argument {}", quoted(names))]
    Unknown {
        tool: &'static str,
        names: Vec<String>,
        near: Option<&'static str>,
        known: Vec<&'static str>,
    },
    /// A required parameter without a value.
    #[error("`{name}` is required")]
    Missing { name: &'static str },
    /// Text that is empty or only white space.
    #[error("`{name}` must not be blank")]
    Blank { name: &'static str },
    /// Text that no command line can hold.
    #[error("`{name}` must not contain a NUL character")]
    Nul { name: &'static str },
    /// Text over its limit.
    #[error("`{name}` has {given} bytes, the limit is {limit}")]
    TooLong {
        name: &'static str,
        given: usize,
        limit: usize,
    },
    /// A value of another type.
    #[error("`{name}` must be text, got `{given}`")]
    NotText { name: &'static str, given: String },
    /// Text over a limit of what can be handed over at once.
    #[error("`{name}` has {given} bytes, the limit is {limit}")]
    TooLarge {
        name: &'static str,
        given: usize,
        limit: usize,
    },
    /// A value that is none of those allowed.
    #[error("`{name}` must be {wanted}, got `{given}`")]
    NotOfKind {
        name: &'static str,
        wanted: String,
        given: String,
    },
    /// No whole number, or one outside its range.
    #[error("`{name}` must be {}, got `{given}`", bounds(range))]
    NotInRange {
        name: &'static str,
        range: RangeInclusive<u64>,
        given: String,
    },
}

impl Diagnosis for ArgumentError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown { .. } => ErrorCode::UnknownArgument,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            _ => ErrorCode::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { near, known, .. } => {
                let known = known.join(", ");
                match near {
                    Some(near) => format!("did you mean `{near}`? known: {known}"),
                    None => format!("known: {known}"),
                }
            }
            Self::Missing { name } | Self::Blank { name } | Self::NotText { name, .. } => {
                format!("pass `{name}` as a string")
            }
            Self::Nul { name } => format!("remove the NUL character from `{name}`"),
            Self::TooLong { name, .. } => format!("shorten `{name}`, or split the work over several calls"),
            Self::TooLarge { .. } => "split it over several calls, or use workspace_sync_push".to_owned(),
            Self::NotOfKind { name, wanted, .. } => format!("pass `{name}` as {wanted}"),
            Self::NotInRange { name, range, .. } if *range.end() == u64::MAX => {
                format!("pass `{name}` as a whole number of at least {}", range.start())
            }
            Self::NotInRange { name, range, .. } => format!(
                "pass `{name}` as a whole number of at least {} and at most {}",
                range.start(),
                range.end()
            ),
        })
    }
}

fn bounds(range: &RangeInclusive<u64>) -> String {
    match range.end() {
        &u64::MAX => format!("at least {}", range.start()),
        end => format!("{}–{end}", range.start()),
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
