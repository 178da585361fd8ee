//! The check of one argument against its parameter.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use serde_json::Value;

use super::{Argument, ArgumentError};
use crate::schema::{Kind, Parameter};

/// How much of a refused value is repeated to the caller.
const SHOWN_CHARS: usize = 80;

/// How alike an unknown name and a known one must be to be called near.
const NEAR: f64 = 0.6;

/// Refuses arguments that the tool does not have.
pub(super) fn unknown(tool: &'static str, parameters: &[Parameter], given: JsonObject) -> ArgumentError {
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

/// Checks the value of one parameter.
pub(super) fn check(parameter: &Parameter, value: Option<Value>) -> Result<Argument, ArgumentError> {
    let name = parameter.name;
    let Some(value) = value else {
        return match default(&parameter.kind) {
            Argument::Absent if parameter.required => Err(ArgumentError::Missing { name }),
            default => Ok(default),
        };
    };
    match &parameter.kind {
        Kind::Text { max_bytes, .. } => text(name, *max_bytes, value).map(Argument::Text),
        Kind::Verbatim { max_bytes, .. } => verbatim(name, *max_bytes, value).map(Argument::Text),
        Kind::Choice { words, .. } => choice(name, words, &value).map(Argument::Text),
        Kind::Integer { range, .. } => match whole(&value).filter(|value| range.contains(value)) {
            Some(value) => Ok(Argument::Integer(value)),
            None => Err(ArgumentError::NotInRange {
                name,
                range: range.clone(),
                given: shown(&value.to_string()),
            }),
        },
        Kind::Flag { .. } => match value {
            Value::Bool(value) => Ok(Argument::Flag(value)),
            other => Err(not_of_kind(name, "true or false", &other)),
        },
        Kind::Map => match &value {
            Value::Object(map) => {
                texts(map.iter().map(|(name, text)| (name.clone(), text))).map(Argument::Map)
            }
            _ => None,
        }
        .ok_or_else(|| not_of_kind(name, "an object with strings as values", &value)),
        Kind::List => match &value {
            Value::Array(list) => list
                .iter()
                .map(|text| Some(text.as_str()?.to_owned()))
                .collect::<Option<_>>()
                .map(Argument::List),
            _ => None,
        }
        .ok_or_else(|| not_of_kind(name, "a list of strings", &value)),
    }
}

fn default(kind: &Kind) -> Argument {
    let text = |text: Option<&str>| text.map(|text| Argument::Text(text.to_owned()));
    let default = match kind {
        Kind::Text { default, .. } => text(default.as_deref()),
        Kind::Verbatim { default, .. } | Kind::Choice { default, .. } => text(*default),
        Kind::Integer { default, .. } => default.map(Argument::Integer),
        Kind::Flag { default } => default.map(Argument::Flag),
        Kind::Map | Kind::List => None,
    };
    default.unwrap_or(Argument::Absent)
}

fn texts<'a>(map: impl Iterator<Item = (String, &'a Value)>) -> Option<BTreeMap<String, String>> {
    map.map(|(name, text)| Some((name, text.as_str()?.to_owned())))
        .collect()
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
        other => Err(not_text(name, &other)),
    }
}

fn verbatim(name: &'static str, limit: Option<usize>, value: Value) -> Result<String, ArgumentError> {
    match value {
        Value::String(text) => match limit.filter(|limit| text.len() > *limit) {
            Some(limit) => Err(ArgumentError::TooLarge {
                name,
                given: text.len(),
                limit,
            }),
            None => Ok(text),
        },
        other => Err(not_text(name, &other)),
    }
}

fn choice(name: &'static str, words: &[&str], value: &Value) -> Result<String, ArgumentError> {
    match value.as_str().filter(|word| words.contains(word)) {
        Some(word) => Ok(word.to_owned()),
        None => Err(not_of_kind(name, &format!("one of {}", words.join(", ")), value)),
    }
}

fn not_text(name: &'static str, given: &Value) -> ArgumentError {
    ArgumentError::NotText {
        name,
        given: shown(&given.to_string()),
    }
}

fn not_of_kind(name: &'static str, wanted: &str, given: &Value) -> ArgumentError {
    ArgumentError::NotOfKind {
        name,
        wanted: wanted.to_owned(),
        given: shown(&given.to_string()),
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
