//! An entry of a host's configuration, whatever its format.

use std::path::Path;

/// How a host starts a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The program.
    pub(crate) command: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
}

impl Entry {
    /// Whether it seems to be meant to start pyro: another server under the same name is not ours to change.
    pub(crate) fn is_ours(&self) -> bool {
        let program = Path::new(&self.command).file_name();
        program.is_some_and(|name| name == "pyro") || self.args.starts_with(&["mcp".into(), "serve".into()])
    }
}

/// What a configuration says of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A program to start.
    Entry {
        /// The program.
        entry: Entry,
        /// Whether the host is told not to start it.
        is_off: bool,
    },
    /// Something that starts another server, such as one that is reached over HTTP.
    Foreign(String),
    /// Something that the host cannot understand.
    Malformed(String),
}

/// Why the text of a configuration cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable(String);

impl Unreadable {
    /// A problem at a place, counted from 1.
    pub(crate) fn at(line: usize, column: usize, problem: &str) -> Self {
        Self(format!("line {line}, column {column}: {}", one_sentence(problem)))
    }

    /// A problem of the whole.
    pub(crate) fn whole(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A parser's words in the form of ours: one line, a small first letter, no full stop.
fn one_sentence(problem: &str) -> String {
    let line = problem.lines().collect::<Vec<_>>().join(", ");
    let mut characters = line.trim_end_matches('.').chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}
