use pyro::{Diagnosis as _, ErrorCode};
use serde_json::{Value, json};

use super::*;
use crate::schema::Kind;

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
