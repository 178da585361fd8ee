//! Configurations in JSON, edited so that everything else stays as it was written.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

use super::entry::{Entry, Found, Unreadable};
use super::table::{CALL_SECONDS, Shape};

/// Some editors begin files with it; parsers do not expect it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What the text says of a server.
///
/// # Errors
/// If the host could not read the text either.
pub(crate) fn find(text: &str, shape: Shape, name: &str) -> Result<Found, Unreadable> {
    let root = parse(text.trim_start_matches(BYTE_ORDER_MARK), shape)?;
    let Some(top) = top(&root)? else {
        return Ok(Found::Nothing);
    };
    let Some(section) = section(&top, shape)? else {
        return Ok(Found::Nothing);
    };
    let property = single(&section, name)?.and_then(|property| property.value());
    Ok(property.map_or(Found::Nothing, |node| read(&node, shape)))
}

/// The text with an entry for a server.
///
/// # Errors
/// If the host could not read the text either.
pub(crate) fn with_entry(text: &str, shape: Shape, name: &str, entry: &Entry) -> Result<String, Unreadable> {
    let (mark, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => ("", text),
    };
    let is_new = text.trim().is_empty();
    let root = parse(if is_new { "{}\n" } else { text }, shape)?;
    let top = top(&root)?.unwrap_or_else(|| root.object_value_or_set());
    let section = match section(&top, shape)? {
        Some(section) => section,
        None => top.object_value_or_set(shape.section),
    };
    let is_nested = section_is_nested(&top, shape);
    match single(&section, name)? {
        None => {
            section.append(name, whole(shape, is_nested, entry));
        }
        Some(property) => match property.object_value() {
            Some(object) => update(&object, shape, entry),
            None => property.set_value(whole(shape, is_nested, entry)),
        },
    }
    Ok(format!("{mark}{root}"))
}

fn parse(text: &str, shape: Shape) -> Result<CstRootNode, Unreadable> {
    let options = ParseOptions {
        allow_comments: shape.comments,
        allow_trailing_commas: shape.comments,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
    };
    CstRootNode::parse(text, &options).map_err(|error| {
        Unreadable::at(
            error.line_display(),
            error.column_display(),
            &error.kind().to_string(),
        )
    })
}

/// The object that the text is; nothing where it is empty.
fn top(root: &CstRootNode) -> Result<Option<CstObject>, Unreadable> {
    match root.value() {
        None => Ok(None),
        Some(node) => match node.as_object() {
            Some(object) => Ok(Some(object)),
            None => Err(Unreadable::at(1, 1, "expected an object")),
        },
    }
}

/// The object with the servers.
fn section(top: &CstObject, shape: Shape) -> Result<Option<CstObject>, Unreadable> {
    let Some(property) = single(top, shape.section)? else {
        return Ok(None);
    };
    let Some(section) = property.object_value() else {
        return Err(Unreadable::whole(format!("`{}` is no object", shape.section)));
    };
    if section_is_nested(top, shape) {
        return Ok(section.object_value("servers"));
    }
    Ok(Some(section))
}

/// Whether the servers are one level deeper, as in the second form of OpenCode's configuration.
fn section_is_nested(top: &CstObject, shape: Shape) -> bool {
    let servers = top
        .object_value(shape.section)
        .and_then(|section| section.object_value("servers"));
    shape.one_list && servers.is_some_and(|servers| servers.get("command").is_none())
}

/// The property of a name. One that is there twice is read differently by different programs.
fn single(object: &CstObject, name: &str) -> Result<Option<jsonc_parser::cst::CstObjectProp>, Unreadable> {
    let mut named = object.properties().into_iter().filter(|property| {
        let decoded = property.name().and_then(|name| name.decoded_value().ok());
        decoded.is_some_and(|decoded| decoded == name)
    });
    let first = named.next();
    if named.next().is_some() {
        return Err(Unreadable::whole(format!("`{name}` is there twice")));
    }
    Ok(first)
}

fn read(node: &CstNode, shape: Shape) -> Found {
    let Some(Value::Object(entry)) = node.to_serde_value() else {
        return Found::Malformed("the entry is no object".to_owned());
    };
    if entry.contains_key("url") || entry.contains_key("serverUrl") {
        return Found::Foreign("the entry is that of a server which is reached over the network".to_owned());
    }
    let is_off = entry.get("enabled") == Some(&Value::Bool(false))
        || entry.get("disabled") == Some(&Value::Bool(true));
    let words = |value: &Value| -> Option<Vec<String>> {
        let words = value.as_array()?.iter();
        words.map(|word| Some(word.as_str()?.to_owned())).collect()
    };
    let command = entry.get("command");
    let start = if shape.one_list {
        let mut list = command.and_then(words).unwrap_or_default().into_iter();
        list.next().map(|command| (command, list.collect()))
    } else {
        let args = entry.get("args").map_or(Some(Vec::new()), words);
        command.and_then(Value::as_str).map(str::to_owned).zip(args)
    };
    match start {
        Some((command, args)) => Found::Entry {
            entry: Entry { command, args },
            is_off,
        },
        None => Found::Malformed("the entry names no command with arguments".to_owned()),
    }
}

/// The keys that say what to start, in their order.
fn start(shape: Shape, entry: &Entry) -> Vec<(&'static str, CstInputValue)> {
    let word = |word: &String| CstInputValue::String(word.clone());
    let args: Vec<_> = entry.args.iter().map(word).collect();
    if shape.one_list {
        let list = std::iter::once(word(&entry.command)).chain(args).collect();
        vec![("command", CstInputValue::Array(list))]
    } else {
        vec![
            ("command", word(&entry.command)),
            ("args", CstInputValue::Array(args)),
        ]
    }
}

/// A new entry.
fn whole(shape: Shape, is_nested: bool, entry: &Entry) -> CstInputValue {
    let mut keys: Vec<_> = shape.kind.map(|kind| ("type", kind.into())).into_iter().collect();
    keys.extend(start(shape, entry));
    if shape.one_list && !is_nested {
        keys.push(("enabled", true.into()));
        let milliseconds = u64::from(CALL_SECONDS) * 1000;
        keys.push(("timeout", CstInputValue::Number(milliseconds.to_string())));
    }
    CstInputValue::Object(
        keys.into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

/// Sets what to start in an entry that is there; its other keys are the user's.
fn update(object: &CstObject, shape: Shape, entry: &Entry) {
    let kind = shape
        .kind
        .filter(|_| shape.one_list)
        .map(|kind| ("type", kind.into()));
    for (key, value) in kind.into_iter().chain(start(shape, entry)) {
        match object.get(key) {
            Some(property) => {
                let old = property.value().and_then(|node| node.to_serde_value());
                if old != Some(plain(&value)) {
                    property.set_value(value);
                }
            }
            None => drop(object.append(key, value)),
        }
    }
}

fn plain(value: &CstInputValue) -> Value {
    match value {
        CstInputValue::String(text) => Value::String(text.clone()),
        CstInputValue::Array(values) => values.iter().map(plain).collect(),
        CstInputValue::Null
        | CstInputValue::Bool(_)
        | CstInputValue::Number(_)
        | CstInputValue::Object(_) => Value::Null,
    }
}
