//! Codex's configuration, edited so that everything else stays as it was written.

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value, value};

use super::entry::{Entry, Found, Unreadable};
use super::table::CALL_SECONDS;

/// The table of the servers.
const SECTION: &str = "mcp_servers";

/// What the text says of a server.
///
/// # Errors
/// If the host could not read the text either.
pub(crate) fn find(text: &str, name: &str) -> Result<Found, Unreadable> {
    let document = parse(text)?;
    let Some(section) = document.get(SECTION) else {
        return Ok(Found::Nothing);
    };
    let section = section.as_table_like().ok_or_else(no_table)?;
    Ok(section.get(name).map_or(Found::Nothing, read))
}

/// The text with an entry for a server.
///
/// # Errors
/// If the host could not read the text either.
pub(crate) fn with_entry(text: &str, name: &str, entry: &Entry) -> Result<String, Unreadable> {
    let mut document = parse(text)?;
    if let Some(appended) = appended(text, name, entry) {
        return Ok(appended);
    }
    let section = document
        .entry(SECTION)
        .or_insert_with(|| Item::Table(implicit()))
        .as_table_like_mut()
        .ok_or_else(no_table)?;
    match section.get_mut(name).and_then(Item::as_table_like_mut) {
        Some(table) => update(table, entry),
        None => drop(section.insert(name, Item::Table(whole(entry)))),
    }
    Ok(with_line_ends_of(text, document.to_string()))
}

fn parse(text: &str) -> Result<DocumentMut, Unreadable> {
    text.parse::<DocumentMut>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Unreadable::at(line, column, error.message())
    })
}

fn no_table() -> Unreadable {
    Unreadable::whole(format!("`{SECTION}` is no table"))
}

fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

/// The text with a new table at its end, which touches nothing before it; nothing where the text has one already, or
/// writes its servers in a form that takes no more tables.
fn appended(text: &str, name: &str, entry: &Entry) -> Option<String> {
    if find(text, name) != Ok(Found::Nothing) {
        return None;
    }
    let mut section = implicit();
    section.insert(name, Item::Table(whole(entry)));
    let mut document = DocumentMut::new();
    document.insert(SECTION, Item::Table(section));
    let separator = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let added = with_line_ends_of(text, format!("{separator}{document}"));
    let appended = format!("{text}{added}");
    let is_read = matches!(find(&appended, name), Ok(Found::Entry { entry: read, .. }) if read == *entry);
    is_read.then_some(appended)
}

/// The library writes line feeds alone.
fn with_line_ends_of(original: &str, text: String) -> String {
    if original.contains("\r\n") {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text
    }
}

fn read(item: &Item) -> Found {
    let Some(entry) = item.as_table_like() else {
        return Found::Malformed("the entry is no table".to_owned());
    };
    if entry.contains_key("url") {
        return Found::Foreign("the entry is that of a server which is reached over the network".to_owned());
    }
    let words = |item: &Item| -> Option<Vec<String>> {
        let words = item.as_array()?.iter();
        words.map(|word| Some(word.as_str()?.to_owned())).collect()
    };
    let args = entry.get("args").map_or(Some(Vec::new()), words);
    let command = entry.get("command").and_then(Item::as_str);
    match command.zip(args) {
        Some((command, args)) => Found::Entry {
            entry: Entry {
                command: command.to_owned(),
                args,
            },
            is_off: entry.get("enabled").and_then(Item::as_bool) == Some(false),
        },
        None => Found::Malformed("the entry names no command with arguments".to_owned()),
    }
}

fn whole(entry: &Entry) -> Table {
    let mut table = Table::new();
    table.insert("command", value(&entry.command));
    table.insert("args", value(entry.args.iter().collect::<Array>()));
    table.insert("tool_timeout_sec", value(i64::from(CALL_SECONDS)));
    table
}

/// Sets what to start in an entry that is there; its other keys are the user's.
fn update(table: &mut dyn TableLike, entry: &Entry) {
    set(table, "command", Value::from(&entry.command));
    set(table, "args", Value::from(entry.args.iter().collect::<Array>()));
}

/// Sets a value with the spaces and the comment around the one that is there.
fn set(table: &mut dyn TableLike, key: &str, mut new: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            if plain(old) != plain(&new) {
                *new.decor_mut() = old.decor().clone();
                *old = new;
            }
        }
        None => drop(table.insert(key, Item::Value(new))),
    }
}

/// A string or a list of strings, without how it is written.
fn plain(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text.value()]),
        Value::Array(words) => words.iter().map(Value::as_str).collect(),
        _ => None,
    }
}
