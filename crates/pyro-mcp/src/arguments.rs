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
    Absent,
    Text(String),
    Integer(u64),
    Flag(bool),
    Map(BTreeMap<String, String>),
    List(Vec<String>),
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

    /// The value of a text parameter of this tool that has one in any case.
    pub(crate) fn text(&self, name: &'static str) -> &str {
        match self.optional_text(name) {
            Some(text) => text,
            None => unreachable!("`{name}` of this tool may be absent"),
        }
    }

    /// The value of a text parameter of this tool.
    pub(crate) fn optional_text(&self, name: &'static str) -> Option<&str> {
        match self.0.get(name) {
            Some(Argument::Text(text)) => Some(text),
            Some(Argument::Absent) => None,
            _ => unreachable!("`{name}` is no text parameter of this tool"),
        }
    }

    /// The value of an integer parameter of this tool that has one in any case.
    pub(crate) fn integer(&self, name: &'static str) -> u64 {
        match self.optional_integer(name) {
            Some(value) => value,
            None => unreachable!("`{name}` of this tool may be absent"),
        }
    }

    /// The value of an integer parameter of this tool.
    pub(crate) fn optional_integer(&self, name: &'static str) -> Option<u64> {
        match self.0.get(name) {
            Some(Argument::Integer(value)) => Some(*value),
            Some(Argument::Absent) => None,
            _ => unreachable!("`{name}` is no integer parameter of this tool"),
        }
    }

    /// The value of a parameter of this tool that is yes or no, and has one in any case.
    pub(crate) fn flag(&self, name: &'static str) -> bool {
        match self.optional_flag(name) {
            Some(value) => value,
            None => unreachable!("`{name}` of this tool may be absent"),
        }
    }

    /// The value of a parameter of this tool that is yes or no.
    pub(crate) fn optional_flag(&self, name: &'static str) -> Option<bool> {
        match self.0.get(name) {
            Some(Argument::Flag(value)) => Some(*value),
            Some(Argument::Absent) => None,
            _ => unreachable!("`{name}` is not yes or no in this tool"),
        }
    }

    /// The names and texts of a parameter of this tool; none where nothing is given.
    pub(crate) fn map(&self, name: &'static str) -> BTreeMap<String, String> {
        match self.0.get(name) {
            Some(Argument::Map(map)) => map.clone(),
            Some(Argument::Absent) => BTreeMap::new(),
            _ => unreachable!("`{name}` has no names and texts in this tool"),
        }
    }

    /// The texts of a parameter of this tool; none where nothing is given.
    pub(crate) fn list(&self, name: &'static str) -> &[String] {
        match self.0.get(name) {
            Some(Argument::List(list)) => list,
            Some(Argument::Absent) => &[],
            _ => unreachable!("`{name}` is no list in this tool"),
        }
    }

    /// Whether this tool, in this profile, has the parameter.
    pub(crate) fn has(&self, name: &'static str) -> bool {
        self.0.contains_key(name)
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

fn bounds(range: &RangeInclusive<u64>) -> String {
    match range.end() {
        &u64::MAX => format!("at least {}", range.start()),
        end => format!("{}–{end}", range.start()),
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
            Parameter::new(
                "command",
                "",
                Kind::Text {
                    max_bytes: Some(8),
                    default: None,
                },
            )
            .required(),
            Parameter::new(
                "environment",
                "",
                Kind::Text {
                    max_bytes: None,
                    default: Some("debian".into()),
                },
            ),
            Parameter::integer("mem_mib", "", 128..=4096, 1024),
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

    fn parse_all(given: &Value) -> Result<Arguments, ArgumentError> {
        let parameters = [
            Parameter::new(
                "patch",
                "",
                Kind::Verbatim {
                    max_bytes: Some(4),
                    default: None,
                },
            ),
            Parameter::verbatim_or("path", "", "/workspace"),
            Parameter::choice("stream", "", &["both", "stdout"], Some("both")),
            Parameter::number("offset", "", 1..=u64::MAX),
            Parameter::flag("force", ""),
            Parameter::new("labels", "", Kind::Map),
            Parameter::new("names", "", Kind::List),
        ];
        Arguments::parse("workspace_x", &parameters, given.as_object().cloned())
    }

    #[test]
    fn every_kind_has_its_value_or_its_default() {
        let none = parse_all(&json!({"names": null})).unwrap();
        assert_eq!(none.optional_text("patch"), None);
        assert_eq!(none.text("path"), "/workspace");
        assert_eq!(none.text("stream"), "both");
        assert_eq!(none.optional_integer("offset"), None);
        assert!(!none.flag("force"));
        assert!(none.map("labels").is_empty() && none.list("names").is_empty());
        assert!(none.has("path") && !none.has("user"));
        let all = parse_all(&json!({
            "patch": " \n", "path": "", "stream": "stdout", "offset": u64::MAX, "force": true,
            "labels": {"a": "b"}, "names": ["x", ""],
        }))
        .unwrap();
        assert_eq!((all.text("patch"), all.text("path")), (" \n", ""));
        assert_eq!(all.optional_integer("offset"), Some(u64::MAX));
        assert!(all.flag("force"));
        assert_eq!(all.map("labels")["a"], "b");
        assert_eq!(all.list("names"), ["x", ""]);
    }

    #[test]
    fn a_value_of_another_kind_names_what_is_wanted() {
        for (given, message) in [
            (json!({"patch": 1}), "`patch` must be text, got `1`"),
            (
                json!({"stream": "err"}),
                "`stream` must be one of both, stdout, got `\"err\"`",
            ),
            (json!({"offset": 0}), "`offset` must be at least 1, got `0`"),
            (
                json!({"force": "yes"}),
                "`force` must be true or false, got `\"yes\"`",
            ),
            (
                json!({"labels": {"a": 1}}),
                "`labels` must be an object with strings as values, got `{\"a\":1}`",
            ),
            (
                json!({"names": "a"}),
                "`names` must be a list of strings, got `\"a\"`",
            ),
        ] {
            let error = parse_all(&given).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert_eq!(error.to_string(), message);
            assert!(error.hint().unwrap().starts_with("pass `"), "{message}");
        }
        let error = parse_all(&json!({"patch": "12345"})).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert_eq!(error.to_string(), "`patch` has 5 bytes, the limit is 4");
    }
}
