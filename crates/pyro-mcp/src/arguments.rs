//! Arguments of a call, checked against the tool's parameters before anything runs.

mod check;
mod error;

use std::collections::BTreeMap;

use rmcp::model::JsonObject;

use self::check::{check, unknown};
pub(crate) use self::error::ArgumentError;
use crate::schema::Parameter;

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

#[cfg(test)]
mod tests;
