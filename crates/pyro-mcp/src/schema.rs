//! Parameters of tools: one declaration is both the schema that clients see and the check that arguments pass.
//!
//! Schemas are plain on purpose: no `$ref`, no `anyOf`, no type arrays. Several hosts reject or flatten those.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

/// A parameter of a tool.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// One phrase for the model.
    pub(crate) description: &'static str,
    /// Whether it must be given.
    pub(crate) required: bool,
    /// Whether clients are shown it.
    pub(crate) listed: bool,
    /// What values it takes.
    pub(crate) kind: Kind,
}

/// What values a parameter takes.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Text that is not blank.
    Text {
        /// The most bytes it may have, if that is limited.
        max_bytes: Option<usize>,
        /// The value where none is given.
        default: Option<Cow<'static, str>>,
    },
    /// Text that is taken as it is, such as a path or the content of a file: blanks are part of it.
    Verbatim {
        /// The most bytes it may have, if that is limited.
        max_bytes: Option<usize>,
        /// The value where none is given.
        default: Option<&'static str>,
    },
    /// One word of a few.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// The value where none is given.
        default: Option<&'static str>,
    },
    /// A whole number.
    Integer {
        /// The values allowed; up to `u64::MAX` is without limit.
        range: RangeInclusive<u64>,
        /// The value where none is given.
        default: Option<u64>,
    },
    /// Yes or no.
    Flag {
        /// The value where none is given.
        default: Option<bool>,
    },
    /// Names with texts.
    Map,
    /// Texts.
    List,
}

impl Parameter {
    /// Text that is not blank and may be absent.
    pub(crate) fn text(name: &'static str, description: &'static str) -> Self {
        let (max_bytes, default) = (None, None);
        Self::new(name, description, Kind::Text { max_bytes, default })
    }

    /// Text that is taken as it is and may be absent.
    pub(crate) fn verbatim(name: &'static str, description: &'static str) -> Self {
        let (max_bytes, default) = (None, None);
        Self::new(name, description, Kind::Verbatim { max_bytes, default })
    }

    /// Text that is taken as it is, with a default.
    pub(crate) fn verbatim_or(name: &'static str, description: &'static str, default: &'static str) -> Self {
        let (max_bytes, default) = (None, Some(default));
        Self::new(name, description, Kind::Verbatim { max_bytes, default })
    }

    /// A whole number with a default.
    pub(crate) fn integer(
        name: &'static str,
        description: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Self {
        let default = Some(default);
        Self::new(name, description, Kind::Integer { range, default })
    }

    /// A whole number that may be absent.
    pub(crate) fn number(name: &'static str, description: &'static str, range: RangeInclusive<u64>) -> Self {
        let default = None;
        Self::new(name, description, Kind::Integer { range, default })
    }

    /// One word of a few, with a default.
    pub(crate) fn choice(
        name: &'static str,
        description: &'static str,
        words: &'static [&'static str],
        default: Option<&'static str>,
    ) -> Self {
        Self::new(name, description, Kind::Choice { words, default })
    }

    /// Yes, or no where nothing is given.
    pub(crate) fn flag(name: &'static str, description: &'static str) -> Self {
        let default = Some(false);
        Self::new(name, description, Kind::Flag { default })
    }

    /// A parameter that may be absent.
    pub(crate) fn new(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self {
            name,
            description,
            required: false,
            listed: true,
            kind,
        }
    }

    /// The same parameter, which must be given.
    pub(crate) fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// The same parameter, which is taken and not shown: a call can do without, and a model is charged for what it is shown.
    pub(crate) fn unlisted(self) -> Self {
        Self {
            listed: false,
            ..self
        }
    }
}

/// The input schema of a tool with these parameters.
pub(crate) fn input_schema(parameters: &[Parameter]) -> JsonObject {
    let properties: Map<_, _> = parameters
        .iter()
        .filter(|parameter| parameter.listed)
        .map(|parameter| (parameter.name.to_owned(), property(parameter)))
        .collect();
    let required: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| Value::from(parameter.name))
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// The output schema of a tool whose results have these properties.
///
/// Nothing is required, and every tool has `error`, so that errors conform too. Fields that may be `null` are left to the
/// properties that a schema does not name, for a type array is what several hosts reject.
pub(crate) fn output_schema(properties: &[(&str, &str)]) -> JsonObject {
    let properties: Map<_, _> = properties
        .iter()
        .copied()
        .chain([("error", "object")])
        .map(|(name, kind)| (name.to_owned(), json!({"type": kind})))
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema
}

fn property(parameter: &Parameter) -> Value {
    let mut property = json!({"description": parameter.description, "type": type_of(&parameter.kind)});
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            property[name] = value;
        }
    };
    match &parameter.kind {
        // No text has more characters than bytes, so the limit on bytes holds for the characters that JSON Schema counts.
        Kind::Text { max_bytes, default } => {
            say("maxLength", max_bytes.map(Value::from));
            say("default", default.as_deref().map(Value::from));
        }
        Kind::Verbatim { max_bytes, default } => {
            say("maxLength", max_bytes.map(Value::from));
            say("default", default.map(Value::from));
        }
        Kind::Choice { words, default } => {
            say("enum", Some((*words).into()));
            say("default", default.map(Value::from));
        }
        Kind::Integer { range, default } => {
            say("minimum", Some((*range.start()).into()));
            say(
                "maximum",
                Some(*range.end()).filter(|end| *end < u64::MAX).map(Value::from),
            );
            say("default", default.map(Value::from));
        }
        Kind::Flag { default } => say("default", default.map(Value::from)),
        Kind::Map => say("additionalProperties", Some(json!({"type": "string"}))),
        Kind::List => say("items", Some(json!({"type": "string"}))),
    }
    property
}

fn type_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text { .. } | Kind::Verbatim { .. } | Kind::Choice { .. } => "string",
        Kind::Integer { .. } => "integer",
        Kind::Flag { .. } => "boolean",
        Kind::Map => "object",
        Kind::List => "array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_says_type_limits_default_and_meaning_of_every_parameter() {
        let parameters = [
            Parameter::new(
                "command",
                "What to run",
                Kind::Text {
                    max_bytes: Some(9),
                    default: None,
                },
            )
            .required(),
            Parameter::integer("limit", "How long", 1..=5, 3),
            Parameter::number("offset", "From where", 0..=u64::MAX),
            Parameter::verbatim_or("path", "What", "/workspace"),
            Parameter::choice("stream", "Which", &["one", "both"], Some("both")),
            Parameter::flag("force", "Replace"),
            Parameter::new("labels", "Notes", Kind::Map),
            Parameter::new("names", "Which", Kind::List),
        ];
        assert_eq!(
            Value::from(input_schema(&parameters)),
            json!({
                "type": "object",
                "properties": {
                    "command": {"type": "string", "maxLength": 9, "description": "What to run"},
                    "limit": {
                        "type": "integer", "minimum": 1, "maximum": 5, "default": 3, "description": "How long",
                    },
                    "offset": {"type": "integer", "minimum": 0, "description": "From where"},
                    "path": {"type": "string", "default": "/workspace", "description": "What"},
                    "stream": {"type": "string", "enum": ["one", "both"], "default": "both", "description": "Which"},
                    "force": {"type": "boolean", "default": false, "description": "Replace"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Notes"},
                    "names": {"type": "array", "items": {"type": "string"}, "description": "Which"},
                },
                "required": ["command"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn an_output_schema_requires_nothing_and_has_room_for_an_error() {
        assert_eq!(
            Value::from(output_schema(&[("count", "integer")])),
            json!({"type": "object", "properties": {"count": {"type": "integer"}, "error": {"type": "object"}}})
        );
    }

    #[test]
    fn a_tool_without_parameters_has_the_bare_object() {
        assert_eq!(
            Value::from(input_schema(&[])),
            json!({"type": "object", "properties": {}, "additionalProperties": false})
        );
    }
}
