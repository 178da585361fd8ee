//! Objects of the contract, read field by field.
//!
//! Text is made from the JSON form, not from the objects themselves, so that the two forms of a result cannot say different
//! things. What an object does not have reads as nothing.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::grouped;

/// An object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Value);

impl<'a> Fields<'a> {
    /// Text as it is; empty if there is none.
    pub(super) fn verbatim(self, name: &str) -> &'a str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// Text fit for a line, empty if there is none.
    pub(super) fn text(self, name: &str) -> Cow<'a, str> {
        line(self.verbatim(name))
    }

    /// Text fit for a line, if there is any.
    pub(super) fn some_text(self, name: &str) -> Option<Cow<'a, str>> {
        self.0[name].as_str().map(line)
    }

    /// What to pass for a path that its text does not give exactly; nothing for all others.
    pub(super) fn exact_path(self) -> String {
        let exact = self.some_text("path_base64");
        exact.map_or_else(String::new, |exact| format!(" (path=base64:{exact})"))
    }

    /// A number that may be absent.
    pub(super) fn some_number(self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// A number; 0 if there is none.
    pub(super) fn number(self, name: &str) -> u64 {
        self.some_number(name).unwrap_or_default()
    }

    /// A number with its digits in groups of three.
    pub(super) fn grouped(self, name: &str) -> String {
        grouped(self.number(name))
    }

    /// Whether it is so.
    pub(super) fn is(self, name: &str) -> bool {
        self.0[name] == true
    }

    /// An object within.
    pub(super) fn object(self, name: &str) -> Self {
        Fields(&self.0[name])
    }

    /// An object within, if there is one.
    pub(super) fn some_object(self, name: &str) -> Option<Self> {
        Some(self.object(name)).filter(|fields| fields.0.is_object())
    }

    /// The objects of a list.
    pub(super) fn objects(self, name: &str) -> impl Iterator<Item = Self> {
        self.items(name).iter().map(Fields)
    }

    /// The texts of a list, each fit for a line.
    pub(super) fn texts(self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.items(name)
            .iter()
            .map(|item| line(item.as_str().unwrap_or_default()))
    }

    fn items(self, name: &str) -> &'a [Value] {
        self.0[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// Isolation and VMM, as in ` · hardware/firecracker`; empty without a VM.
    pub(super) fn tier(self) -> String {
        match (self.some_text("isolation"), self.some_text("vmm")) {
            (Some(isolation), Some(vmm)) => format!(" · {isolation}/{vmm}"),
            _ => String::new(),
        }
    }

    /// Lines about what did not go as one would think.
    pub(super) fn notes(self) -> String {
        let mut notes = String::new();
        if self.is("auto_started") {
            notes.push_str("note: the workspace had stopped, and was started for this call\n");
        }
        for warning in self.texts("warnings") {
            // Writing to a string cannot fail.
            let _ = writeln!(notes, "warning: {warning}");
        }
        notes
    }
}

/// Text on one line: names come from guests, and must not look like lines of pyro's.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_debug());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// A number and what it counts.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", grouped(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_of_a_guest_stays_on_its_line() {
        assert_eq!(line("a b"), "a b");
        assert_eq!(line("a\nhint: b\x1b[2J"), "a\\nhint: b\\u{1b}[2J");
    }

    #[test]
    fn what_is_not_there_reads_as_nothing() {
        let value = json!({"a": null, "isolation": "hardware", "vmm": "firecracker"});
        let fields = Fields(&value);
        assert_eq!((fields.text("a"), fields.number("b")), ("".into(), 0));
        assert!(fields.some_object("a").is_none() && fields.objects("c").next().is_none());
        assert_eq!(fields.tier(), " · hardware/firecracker");
        assert_eq!(Fields(&Value::Null).tier(), "");
    }

    #[test]
    fn counts_agree_with_their_words() {
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(1234, "entry", "entries"), "1,234 entries");
    }
}
