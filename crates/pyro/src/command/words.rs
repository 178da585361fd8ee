//! What to run, as a caller says it.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use crate::argument::{self, InvalidArgument};

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments, untouched.
    Argv(Vec<OsString>),
    /// A string for `/bin/sh -lc`.
    Shell(String),
}

impl Command {
    /// Takes the words after `--`: one is a shell string, several are an argument vector.
    ///
    /// # Errors
    /// [`InvalidArgument`] if there is nothing to run, or too much of it.
    pub fn from_words(words: Vec<OsString>) -> Result<Self, InvalidArgument> {
        let command = match <[OsString; 1]>::try_from(words) {
            Ok([word]) => match word.into_string() {
                Ok(text) => Self::Shell(text),
                // A shell string that is no text can still be a program's name.
                Err(word) => Self::Argv(vec![word]),
            },
            Err(words) => Self::Argv(words),
        };
        command.validate()?;
        Ok(command)
    }

    /// Checks the limits on length, and that there is something to run.
    ///
    /// # Errors
    /// [`InvalidArgument`] for the first limit exceeded.
    pub fn validate(&self) -> Result<(), InvalidArgument> {
        match self {
            Self::Shell(text) if text.trim().is_empty() => Err(empty()),
            Self::Shell(text) if text.contains('\0') => Err(nul(text)),
            Self::Shell(text) => limit(text.len(), argument::MAX_SHELL_BYTES),
            Self::Argv(words) if words.first().is_none_or(|word| word.is_empty()) => Err(empty()),
            Self::Argv(words) => {
                if let Some(word) = words.iter().find(|word| word.as_bytes().contains(&0)) {
                    return Err(nul(&word.to_string_lossy()));
                }
                limit(
                    words.iter().map(|word| word.len() + 1).sum(),
                    argument::MAX_ARGV_BYTES,
                )
            }
        }
    }
}

fn limit(given: usize, limit: usize) -> Result<(), InvalidArgument> {
    if given <= limit {
        Ok(())
    } else {
        Err(InvalidArgument::TooLong {
            name: "command",
            given,
            limit,
        })
    }
}

fn empty() -> InvalidArgument {
    InvalidArgument::Malformed {
        name: "command",
        problem: "must not be empty",
        given: String::new(),
    }
}

fn nul(given: &str) -> InvalidArgument {
    let given = argument::excerpt(given);
    InvalidArgument::Malformed {
        name: "command",
        problem: "must not contain a NUL byte",
        given,
    }
}

impl fmt::Display for Command {
    /// One line that a shell would take for the same command.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(text) => formatter.write_str(text),
            Self::Argv(words) => {
                let words: Vec<_> = words
                    .iter()
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect();
                formatter.write_str(&shell_words::join(words))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn one_word_is_a_shell_string_and_several_are_a_vector() {
        assert_eq!(
            Command::from_words(words(&["a && b"])),
            Ok(Command::Shell("a && b".to_owned()))
        );
        assert_eq!(
            Command::from_words(words(&["a", "b c"])),
            Ok(Command::Argv(words(&["a", "b c"])))
        );
        assert_eq!(Command::Argv(words(&["a", "b c"])).to_string(), "a 'b c'");
    }

    #[test]
    fn nothing_to_run_is_refused() {
        for none in [&[][..], &[""], &["  "], &["", "x"]] {
            assert!(Command::from_words(words(none)).is_err(), "{none:?}");
        }
    }

    #[test]
    fn a_command_over_its_limit_is_refused() {
        let shell = "x".repeat(argument::MAX_SHELL_BYTES + 1);
        assert!(Command::Shell(shell).validate().is_err());
        assert!(
            Command::Argv(words(&["a", &"x".repeat(argument::MAX_ARGV_BYTES)]))
                .validate()
                .is_err()
        );
    }
}
