//! Arguments of a call, checked against the tool's parameters before anything runs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use pyro::{Diagnosis, ErrorCode};
use rmcp::model::JsonObject;
use serde_json::Value;

use crate::schema::{Kind, Parameter};

/// How much of a refused value is repeated to the caller.
const SHOWN_CHARS: usize = 80;

/// How alike an unknown name and a known one must be to be called near.
const NEAR: f64 = 0.6;

/// The arguments of one call: every parameter with a default has a value.
#[derive(Debug)]
pub(crate) struct Arguments(BTreeMap<&'static str, Argument>);

#[derive(Debug)]
enum Argument {
    Text(String),
    Integer(u64),
}

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
    /// No whole number, or one outside its range.
    #[error("`{name}` must be {}–{}, got `{given}`", range.start(), range.end())]
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
            Self::NotInRange { name, range, .. } => format!(
                "pass `{name}` as a whole number of at least {} and at most {}",
                range.start(),
                range.end()
            ),
        })
    }
}

impl Arguments {
    /// Checks what a client sent. A `null` counts as not given.
    pub(crate) fn parse(
        tool: &'static str,
        parameters: &[Parameter],
        given: Option<JsonObject>,
    ) -> Result<Self, ArgumentError> {
        let mut given = given.unwrap_or_default();
        let mut arguments = BTreeMap::new();
        for parameter in parameters {
            let value = given.remove(parameter.name).filter(|value| !value.is_null());
            arguments.insert(parameter.name, (parameter, value));
        }
        if !given.is_empty() {
            return Err(unknown(tool, parameters, given));
        }
        let checked = arguments
            .into_iter()
            .map(|(name, (parameter, value))| Ok((name, check(parameter, value)?)));
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a text parameter of this tool.
    pub(crate) fn text(&self, name: &'static str) -> &str {
        match self.0.get(name) {
            Some(Argument::Text(text)) => text,
            _ => unreachable!("`{name}` is no text parameter of this tool"),
        }
    }

    /// The value of an integer parameter of this tool.
    pub(crate) fn integer(&self, name: &'static str) -> u64 {
        match self.0.get(name) {
            Some(Argument::Integer(value)) => *value,
            _ => unreachable!("`{name}` is no integer parameter of this tool"),
        }
    }
}

fn unknown(tool: &'static str, parameters: &[Parameter], given: JsonObject) -> ArgumentError {
    let names: Vec<String> = given.into_iter().map(|(name, _)| shown(&name)).collect();
    let known: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
    let near = names
        .first()
        .and_then(|name| {
            let scored = known
                .iter()
                .map(|known| (strsim::jaro_winkler(name, known), *known));
            scored.max_by(|left, right| left.0.total_cmp(&right.0))
        })
        .filter(|(score, _)| *score >= NEAR)
        .map(|(_, known)| known);
    ArgumentError::Unknown {
        tool,
        names,
        near,
        known,
    }
}

fn check(parameter: &Parameter, value: Option<Value>) -> Result<Argument, ArgumentError> {
    let name = parameter.name;
    match (&parameter.kind, value) {
        (Kind::Text { max_bytes, .. }, Some(value)) => text(name, *max_bytes, value).map(Argument::Text),
        (Kind::Text { default, .. }, None) => match default {
            Some(default) => Ok(Argument::Text(default.clone())),
            None => Err(ArgumentError::Missing { name }),
        },
        (Kind::Integer { range, .. }, Some(value)) => {
            match whole(&value).filter(|value| range.contains(value)) {
                Some(value) => Ok(Argument::Integer(value)),
                None => Err(ArgumentError::NotInRange {
                    name,
                    range: range.clone(),
                    given: shown(&value.to_string()),
                }),
            }
        }
        (Kind::Integer { default, .. }, None) => Ok(Argument::Integer(*default)),
    }
}

fn text(name: &'static str, limit: Option<usize>, value: Value) -> Result<String, ArgumentError> {
    match value {
        Value::String(text) if text.trim().is_empty() => Err(ArgumentError::Blank { name }),
        Value::String(text) if text.contains('\0') => Err(ArgumentError::Nul { name }),
        Value::String(text) => match limit.filter(|limit| text.len() > *limit) {
            Some(limit) => Err(ArgumentError::TooLong {
                name,
                given: text.len(),
                limit,
            }),
            None => Ok(text),
        },
        other => Err(ArgumentError::NotText {
            name,
            given: shown(&other.to_string()),
        }),
    }
}

/// A whole number, also where it is spelled `30.0`: to JSON Schema that is an integer.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let spelled = value.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{spelled:.0}").parse().ok()
    })
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(given: &Value) -> Result<Arguments, ArgumentError> {
        let parameters = [
            Parameter {
                name: "command",
                description: "",
                kind: Kind::Text {
                    max_bytes: Some(8),
                    default: None,
                },
            },
            Parameter {
                name: "environment",
                description: "",
                kind: Kind::Text {
                    max_bytes: None,
                    default: Some("debian".to_owned()),
                },
            },
            Parameter {
                name: "mem_mib",
                description: "",
                kind: Kind::Integer {
                    range: 128..=4096,
                    default: 1024,
                },
            },
        ];
        Arguments::parse("vm_run", &parameters, given.as_object().cloned())
    }

    fn refusal(given: &Value) -> (ErrorCode, String, String) {
        let error = parse(given).unwrap_err();
        (error.code(), error.to_string(), error.hint().unwrap())
    }

    #[test]
    fn what_is_not_given_or_null_has_its_default() {
        for given in [
            json!({"command": "ls"}),
            json!({"command": "ls", "environment": null, "mem_mib": null}),
        ] {
            let arguments = parse(&given).unwrap();
            assert_eq!(arguments.text("command"), "ls");
            assert_eq!(arguments.text("environment"), "debian");
            assert_eq!(arguments.integer("mem_mib"), 1024);
        }
    }

    #[test]
    fn an_unknown_argument_is_refused_with_the_near_and_all_known_ones() {
        let (code, message, hint) = refusal(&json!({"command": "ls", "memory_mib": 5}));
        assert_eq!(code, ErrorCode::UnknownArgument);
        assert_eq!(message, "`vm_run` has no argument `memory_mib`");
        assert_eq!(
            hint,
            "did you mean `mem_mib`? known: command, environment, mem_mib"
        );

        let (_, message, hint) = refusal(&json!({"foo": 1, "bar": null}));
        assert!(
            message.contains("`foo`") && message.contains("`bar`"),
            "{message}"
        );
        assert_eq!(hint, "known: command, environment, mem_mib");
    }

    #[test]
    fn a_required_argument_must_be_given() {
        for given in [json!({}), json!({"command": null}), Value::Null] {
            let (code, message, hint) = refusal(&given);
            assert_eq!(code, ErrorCode::InvalidArgument);
            assert_eq!(message, "`command` is required");
            assert_eq!(hint, "pass `command` as a string");
        }
    }

    #[test]
    fn a_value_outside_its_range_or_type_names_parameter_value_and_range() {
        for (given, shown) in [
            (json!(127), "127"),
            (json!(4097), "4097"),
            (json!(-1), "-1"),
            (json!(512.5), "512.5"),
            (json!("512"), "\"512\""),
            (json!(1e300), "1e+300"),
            (json!(true), "true"),
        ] {
            let (code, message, hint) = refusal(&json!({"command": "ls", "mem_mib": given}));
            assert_eq!(code, ErrorCode::InvalidArgument);
            assert_eq!(message, format!("`mem_mib` must be 128–4096, got `{shown}`"));
            assert!(hint.contains("at least 128 and at most 4096"), "{hint}");
        }
        assert_eq!(
            parse(&json!({"command": "ls", "mem_mib": 512.0}))
                .unwrap()
                .integer("mem_mib"),
            512
        );
    }

    #[test]
    fn text_must_be_text_within_its_limit() {
        for (given, message) in [
            (json!(7), "`command` must be text, got `7`"),
            (json!(["ls"]), "`command` must be text, got `[\"ls\"]`"),
            (json!("  "), "`command` must not be blank"),
            (json!("a\0b"), "`command` must not contain a NUL character"),
            (json!("123456789"), "`command` has 9 bytes, the limit is 8"),
            (json!("äöüßé"), "`command` has 10 bytes, the limit is 8"),
        ] {
            assert_eq!(refusal(&json!({"command": given})).1, message);
        }
    }

    #[test]
    fn a_long_refused_value_is_not_repeated_in_full() {
        let (_, message, _) = refusal(&json!({"command": {"x": "y".repeat(5000)}}));
        assert!(message.chars().count() < 150, "{message}");
    }
}
