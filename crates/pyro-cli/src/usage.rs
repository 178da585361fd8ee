//! What to say about a command line that cannot be parsed.
//!
//! clap's own texts are for people only. Here each of its errors becomes a code, a sentence and a next step, so that
//! people and programs get the same.

use std::ffi::{OsStr, OsString};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, ValueEnum};
use pyro::ErrorCode;

use crate::failure::Failure;
use crate::ui::{ColourChoice, Form, Ui, Verbosity};

/// The commands that take a guest's command after `--`.
const RUN: &str = "pyro run";
const EXEC: &str = "pyro workspace exec";

/// The words of a command line, before or without parsing.
#[derive(Debug)]
pub(crate) struct RawArguments<'a> {
    words: &'a [OsString],
    /// How many of them are before the first `--`.
    own: usize,
}

/// Why there is nothing to execute.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Help or the version was asked for.
    Answer(StyledStr),
    /// A command is missing: its help says which there are.
    Help(String),
    /// The words make no sense.
    Failure(Failure),
}

impl<'a> RawArguments<'a> {
    /// Looks at the words, the program's name first.
    pub(crate) fn new(words: &'a [OsString]) -> Self {
        let own = words.iter().position(|word| word == "--").unwrap_or(words.len());
        Self { words, own }
    }

    /// The form and colours that the words seem to ask for; good enough to report that they cannot be parsed.
    pub(crate) fn ui(&self) -> Ui {
        let own = &self.words[..self.own];
        let form = if own.iter().any(|word| word == "--json") {
            Form::Json
        } else {
            Form::Human
        };
        let mut choice = ColourChoice::Auto;
        for (index, word) in own.iter().enumerate() {
            let value = match word.to_str() {
                Some("--color") => own.get(index + 1).and_then(|value| value.to_str()),
                Some(word) => word.strip_prefix("--color="),
                None => None,
            };
            if let Some(named) = value.and_then(|value| ColourChoice::from_str(value, false).ok()) {
                choice = named;
            }
        }
        Ui::new(form, Verbosity::Normal, choice)
    }

    /// Makes sense of clap's error about these words for the parser `P`.
    pub(crate) fn explain<P: Parser>(&self, error: &clap::Error) -> Refusal {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Refusal::Answer(error.render()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if self.ui().form() == Form::Human => {
                Refusal::Help(error.render().to_string())
            }
            _ => {
                let (code, message, hint) = Explanation::new::<P>(self, error).parts();
                Refusal::Failure(Failure::Usage {
                    code,
                    message,
                    hint: Some(hint),
                })
            }
        }
    }
}

/// An error of clap's beside the words it is about.
struct Explanation<'a> {
    raw: &'a RawArguments<'a>,
    error: &'a clap::Error,
    /// The command it is about, such as `pyro env pull`.
    command: String,
    /// The commands below that one.
    children: Vec<String>,
    parses: fn(&[OsString]) -> bool,
}

impl<'a> Explanation<'a> {
    fn new<P: Parser>(raw: &'a RawArguments<'a>, error: &'a clap::Error) -> Self {
        let root = P::command();
        let mut command = root.get_name().to_owned();
        let mut current = &root;
        // A word that is no command may be followed by one that is a command elsewhere.
        let unknown = match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(name)) => Some(OsStr::new(name)),
            _ => None,
        };
        let own = raw.words[..raw.own].iter();
        for word in own.take_while(|word| Some(word.as_os_str()) != unknown) {
            if let Some(child) = current.find_subcommand(word) {
                command = format!("{command} {}", child.get_name());
                current = child;
            }
        }
        let children = current
            .get_subcommands()
            .map(|child| child.get_name().to_owned())
            .collect();
        Self {
            raw,
            error,
            command,
            children,
            parses: |words| P::try_parse_from(words).is_ok(),
        }
    }

    fn parts(&self) -> (ErrorCode, String, String) {
        let unknown = ErrorCode::UnknownArgument;
        let invalid = ErrorCode::InvalidArgument;
        match self.error.kind() {
            ErrorKind::UnknownArgument => self.unknown_argument(),
            ErrorKind::InvalidSubcommand => {
                let name = self.text(ContextKind::InvalidSubcommand);
                let message = format!("`{}` has no command `{name}`", self.command);
                let near = self
                    .near_command(&name)
                    .map(|near| format!("did you mean `{near}`?"));
                (unknown, message, near.unwrap_or_else(|| self.known_commands()))
            }
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let message = format!("`{}` needs a command", self.command);
                (invalid, message, self.known_commands())
            }
            ErrorKind::MissingRequiredArgument
                if self.takes_command() && self.lacks("<CMD>...") && !self.lacks("<ID>") =>
            {
                (invalid, "no command to run".to_owned(), self.where_commands_go())
            }
            ErrorKind::MissingRequiredArgument => {
                let missing = self.list(ContextKind::InvalidArg).join(", ");
                let message = format!("`{}` needs {missing}", self.command);
                (invalid, message, self.see_help())
            }
            ErrorKind::InvalidValue => self.invalid_value(),
            ErrorKind::ValueValidation => (invalid, self.refused_value(), self.see_help()),
            ErrorKind::ArgumentConflict => (invalid, self.conflict(), self.see_help()),
            _ => (invalid, self.words_of_clap(), self.see_help()),
        }
    }

    fn unknown_argument(&self) -> (ErrorCode, String, String) {
        let argument = self.text(ContextKind::InvalidArg);
        let unknown = ErrorCode::UnknownArgument;
        if !argument.starts_with('-') {
            if let Some(corrected) = self.with_separator(&argument) {
                let message = format!("the command `{argument}` must come after `--`");
                let hint = format!("write `{corrected}`");
                return (ErrorCode::InvalidArgument, message, hint);
            }
            let message = format!("`{}` takes no argument `{argument}`", self.command);
            let hint = match self.with_word("--output", &argument) {
                Some(corrected) => format!("write `{corrected}`"),
                None => self.see_help(),
            };
            return (unknown, message, hint);
        }
        let message = format!("`{}` has no option `{argument}`", self.command);
        let hint = self.suggestion(ContextKind::SuggestedArg);
        let hint = match hint {
            Some(hint) => hint,
            None if self.takes_command() && !self.has_separator() => self.where_commands_go(),
            None => self.see_help(),
        };
        (unknown, message, hint)
    }

    fn invalid_value(&self) -> (ErrorCode, String, String) {
        let invalid = ErrorCode::InvalidArgument;
        let value = self.text(ContextKind::InvalidValue);
        let known = self.list(ContextKind::ValidValue).join(", ");
        let hint = match self.suggestion(ContextKind::SuggestedValue) {
            Some(suggestion) => suggestion,
            None if known.is_empty() => self.see_help(),
            None => format!("possible values: {known}"),
        };
        let message = if value.is_empty() {
            format!("`{}` needs a value", self.option())
        } else {
            format!("`{}` cannot be `{value}`", self.option())
        };
        (invalid, message, hint)
    }

    /// An option that is there twice, or beside one that excludes it.
    fn conflict(&self) -> String {
        let option = self.option();
        let other = self.list(ContextKind::PriorArg).into_iter().next();
        match other.map(|other| without_value(&other)) {
            Some(other) if other != option => format!("`{option}` cannot be given together with `{other}`"),
            _ => format!("`{option}` can be given only once"),
        }
    }

    fn refused_value(&self) -> String {
        let value = self.text(ContextKind::InvalidValue);
        let reason = std::error::Error::source(self.error)
            .map(|source| format!(": it {source}"))
            .unwrap_or_default();
        format!("`{}` cannot be `{value}`{reason}", self.option())
    }

    /// The words with `--` put before `argument`, if that is all that was wrong.
    fn with_separator(&self, argument: &str) -> Option<String> {
        if !self.takes_command() || self.has_separator() {
            return None;
        }
        self.with_word("--", argument)
    }

    /// The words with another one put before `argument`, if that was all that was wrong.
    fn with_word(&self, word: &str, argument: &str) -> Option<String> {
        let words = self.raw.words;
        let places = (1..words.len()).filter(|place| words[*place] == argument);
        let mut corrected = places.map(|place| {
            let mut corrected = words.to_vec();
            corrected.insert(place, OsString::from(word));
            corrected
        });
        corrected
            .find(|words| (self.parses)(words))
            .map(|words| shown(&words))
    }

    fn where_commands_go(&self) -> String {
        let mut example = self.raw.words[..self.raw.own].to_vec();
        example.extend(["--", "git", "--version"].map(OsString::from));
        if !(self.parses)(&example) {
            let words = match self.command.as_str() {
                EXEC => &["pyro", "workspace", "exec", "alpha", "--", "git", "--version"][..],
                _ => &["pyro", "run", "debian:12", "--", "git", "--version"],
            };
            example = words.iter().map(OsString::from).collect();
        }
        format!("the command goes after `--`, as in `{}`", shown(&example))
    }

    fn takes_command(&self) -> bool {
        [RUN, EXEC].contains(&self.command.as_str())
    }

    /// Whether an argument is among those that are missing.
    fn lacks(&self, argument: &str) -> bool {
        self.list(ContextKind::InvalidArg)
            .iter()
            .any(|missing| missing == argument)
    }

    fn has_separator(&self) -> bool {
        self.raw.own < self.raw.words.len()
    }

    fn known_commands(&self) -> String {
        format!(
            "commands: {}; see `{} --help`",
            self.children.join(", "),
            self.command
        )
    }

    /// The command that was probably meant. clap's own measure finds none for swapped letters in short names.
    fn near_command(&self, name: &str) -> Option<&str> {
        let distance = |child: &str| strsim::osa_distance(child, name);
        let nearest = self.children.iter().min_by_key(|child| distance(child))?;
        let allowed = if nearest.len() <= 4 { 1 } else { 2 };
        (distance(nearest) <= allowed).then_some(nearest)
    }

    fn see_help(&self) -> String {
        format!("see `{} --help`", self.command)
    }

    /// The option an error is about, without the name of its value.
    fn option(&self) -> String {
        without_value(&self.text(ContextKind::InvalidArg))
    }

    fn suggestion(&self, kind: ContextKind) -> Option<String> {
        let first = self.list(kind).into_iter().next()?;
        Some(format!("did you mean `{first}`?"))
    }

    fn text(&self, kind: ContextKind) -> String {
        self.list(kind).into_iter().next().unwrap_or_default()
    }

    fn list(&self, kind: ContextKind) -> Vec<String> {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    /// For errors without words of ours: clap's first paragraph on one line.
    fn words_of_clap(&self) -> String {
        let text = self.error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
        paragraph.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

fn without_value(option: &str) -> String {
    let name = option.split_once(" <").map_or(option, |(name, _)| name);
    name.to_owned()
}

/// Words as a shell would take them, with the program's plain name.
fn shown(words: &[OsString]) -> String {
    let rest = words.iter().skip(1).map(|word| quoted(word));
    std::iter::once("pyro".to_owned())
        .chain(rest)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |character: char| character.is_alphanumeric() || "-_=+./:,@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_as_a_shell_takes_them() {
        let words = ["/usr/bin/pyro", "run", "--", "a b", "it's", ""].map(OsString::from);
        assert_eq!(shown(&words), r"pyro run -- 'a b' 'it'\''s' ''");
    }

    #[test]
    fn only_words_before_the_separator_choose_the_form() {
        let form = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            RawArguments::new(&words).ui().form()
        };
        assert_eq!(form(&["pyro", "run", "--json", "--", "x"]), Form::Json);
        assert_eq!(form(&["pyro", "run", "--", "x", "--json"]), Form::Human);
    }
}
