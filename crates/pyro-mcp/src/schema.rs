//! Parameters of tools: one declaration is both the schema that clients see and the check that arguments pass.
//!
//! Schemas are plain on purpose: no `$ref`, no `anyOf`, no type arrays. Several hosts reject or flatten those.

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
        /// The value where none is given; without one the parameter is required.
        default: Option<String>,
    },
    /// A whole number.
    Integer {
        /// The values allowed.
        range: RangeInclusive<u64>,
        /// The value where none is given.
        default: u64,
    },
}

impl Kind {
    fn is_required(&self) -> bool {
        matches!(self, Self::Text { default: None, .. })
    }
}

/// The input schema of a tool with these parameters.
pub(crate) fn input_schema(parameters: &[Parameter]) -> JsonObject {
    let properties: Map<_, _> = parameters
        .iter()
        .map(|parameter| (parameter.name.to_owned(), property(parameter)))
        .collect();
    let required: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter.kind.is_required())
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

fn property(parameter: &Parameter) -> Value {
    let mut property = match &parameter.kind {
        Kind::Text { max_bytes, default } => {
            // No text has more characters than bytes, so the limit on bytes holds for the characters that JSON
            // Schema counts.
            let mut property = json!({"type": "string"});
            if let Some(max_bytes) = max_bytes {
                property["maxLength"] = (*max_bytes).into();
            }
            if let Some(default) = default {
                property["default"] = default.as_str().into();
            }
            property
        }
        Kind::Integer { range, default } => json!({
            "type": "integer",
            "minimum": range.start(),
            "maximum": range.end(),
            "default": default,
        }),
    };
    property["description"] = parameter.description.into();
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_says_type_limits_default_and_meaning_of_every_parameter() {
        let parameters = [
            Parameter {
                name: "command",
                description: "What to run",
                kind: Kind::Text {
                    max_bytes: Some(9),
                    default: None,
                },
            },
            Parameter {
                name: "limit",
                description: "How long",
                kind: Kind::Integer {
                    range: 1..=5,
                    default: 3,
                },
            },
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
                },
                "required": ["command"],
                "additionalProperties": false,
            })
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
