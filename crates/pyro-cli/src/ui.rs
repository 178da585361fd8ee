//! The one module that prints: results on stdout, everything else on stderr.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::ValueEnum;
use pyro::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::table;

/// How much of a long result is written at a time.
const PIECE_BYTES: usize = 64 << 10;

/// When colours are used: automatically is on a terminal, unless `NO_COLOR` is set.
//
// Comments on the variants would become help, and clap then spreads the help of every command over twice the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColourChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The form of results and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text for people.
    Human,
    /// One JSON object.
    Json,
}

/// How much people want to read beside the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Progress, summaries and warnings.
    Normal,
    /// Errors only.
    Quiet,
}

/// Where everything that pyro says goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    form: Form,
    verbosity: Verbosity,
    /// Whether stdout takes colours.
    stdout_colours: bool,
    /// Whether stderr takes colours.
    stderr_colours: bool,
    /// Whether stdout is a terminal.
    stdout_is_terminal: bool,
}

impl Ui {
    /// Looks at the streams once and decides.
    pub(crate) fn new(form: Form, verbosity: Verbosity, choice: ColourChoice) -> Self {
        let allowed = |terminal: bool| match choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => terminal && !is_set("NO_COLOR") && !is_dumb(),
        };
        let stdout_is_terminal = io::stdout().is_terminal();
        Self {
            form,
            verbosity,
            stdout_colours: allowed(stdout_is_terminal),
            stderr_colours: allowed(io::stderr().is_terminal()),
            stdout_is_terminal,
        }
    }

    /// The form of results.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Whether stdout takes colours.
    pub(crate) fn stdout_colours(&self) -> bool {
        self.stdout_colours
    }

    /// Whether stdout is a terminal.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether stderr takes colours.
    pub(crate) fn stderr_colours(&self) -> bool {
        self.stderr_colours
    }

    /// Shows a result: as an object, or as the text made from it.
    ///
    /// # Errors
    /// If stdout takes no more for another reason than that its reader went away.
    pub(crate) fn result<T: Serialize>(&self, object: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        let text = match self.form {
            Form::Human => human(object),
            Form::Json => pretty(object),
        };
        self.stdout(&text)
    }

    /// Shows text that is the result as it is.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub(crate) fn stdout(&self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Shows bytes that are the result as they are.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        match written {
            // The work is done; that nobody reads to the end is the reader's choice.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other.map_err(Failure::host("cannot write to standard output"))?),
        }
    }

    /// Shows lines that are the result as they are made: all of them at once may be much.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub(crate) fn stdout_lines(&self, make: impl FnOnce(&mut dyn FnMut(&str))) -> Result<()> {
        let mut waiting = String::new();
        let mut outcome = Ok(());
        make(&mut |line| {
            waiting.push_str(line);
            if waiting.len() >= PIECE_BYTES && outcome.is_ok() {
                outcome = self.stdout(&waiting);
                waiting.clear();
            }
        });
        outcome?;
        self.stdout(&waiting)
    }

    /// Shows help that clap made.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    pub(crate) fn help(&self, help: &clap::builder::StyledStr) -> Result<()> {
        if self.stdout_colours {
            self.stdout(&help.ansi().to_string())
        } else {
            self.stdout(&help.to_string())
        }
    }

    /// Shows a line about what was done, unless that is not wanted.
    pub(crate) fn summary(&self, line: &str) {
        if self.verbosity == Verbosity::Normal {
            self.diagnostic(line);
        }
    }

    /// Shows what was skipped, degraded or guessed. In JSON it is part of the object.
    pub(crate) fn warnings(&self, warnings: &[String]) {
        if self.form == Form::Human && self.verbosity == Verbosity::Normal {
            for warning in warnings {
                let head = self.paint("warning:", "33;1");
                self.diagnostic(&format!("{head} {}", table::one_line(warning)));
            }
        }
    }

    /// Shows a line on stderr.
    pub(crate) fn diagnostic(&self, line: &str) {
        // One write per line keeps it whole beside other writers; where stderr is gone nobody can be told.
        let _ignored = io::stderr().write_all(format!("{line}\n").as_bytes());
    }

    /// Asks a question on stderr that is answered by `y` or anything else, from standard input.
    ///
    /// # Errors
    /// If standard input cannot be read.
    pub(crate) fn ask(&self, question: &str) -> Result<bool> {
        // Without a line end, so that the answer stands beside it; where stderr is gone nobody answers either.
        let _ignored = io::stderr().write_all(format!("{question} [y/N] ").as_bytes());
        let mut answer = String::new();
        io::stdin()
            .read_line(&mut answer)
            .map_err(Failure::host("cannot read standard input"))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Shows how a command ended, if it failed, and gives the status for it.
    pub(crate) fn conclude(&self, outcome: Result<Exit>) -> ExitCode {
        match outcome {
            Ok(exit) => exit.into(),
            Err(error) => {
                self.failure(&error);
                ExitCode::from(error.code().exit_status())
            }
        }
    }

    /// Shows an error.
    pub(crate) fn failure(&self, error: &Error) {
        self.failure_object(&error.to_json());
    }

    /// Shows an error that exists as the contract's object only.
    pub(crate) fn failure_object(&self, error: &Value) {
        if self.form == Form::Json {
            // A failure to report a failure has nowhere to go.
            let _ignored = self.stdout(&pretty(&Refused::new(error)));
            return;
        }
        let line = |name: &str, colour: &str| {
            let text = error.get(name)?.as_str()?;
            let head = if name == "hint" { "hint:" } else { "error:" };
            Some(format!("{} {}", self.paint(head, colour), for_terminal(text)))
        };
        for line in [line("message", "31;1"), line("hint", "36;1")]
            .into_iter()
            .flatten()
        {
            self.diagnostic(&line);
        }
    }

    /// Progress on stderr; it shows nothing unless that is a terminal.
    pub(crate) fn progress(&self) -> Progress {
        if self.verbosity == Verbosity::Normal && io::stderr().is_terminal() {
            Progress::visible()
        } else {
            Progress::hidden()
        }
    }

    /// The two streams without any buffer or line handling, for bytes that must not be altered.
    ///
    /// # Errors
    /// If the process has no descriptors left.
    pub(crate) fn raw_streams(&self) -> Result<RawStreams> {
        let duplicate = || -> io::Result<RawStreams> {
            Ok(RawStreams {
                stdout: File::from(io::stdout().as_fd().try_clone_to_owned()?),
                stderr: File::from(io::stderr().as_fd().try_clone_to_owned()?),
            })
        };
        Ok(duplicate().map_err(Failure::host("cannot duplicate the standard streams"))?)
    }

    /// A mark for stdout in a colour, where colours are wanted.
    pub(crate) fn mark(&self, text: &str, colour: &str) -> String {
        painted(text, colour, self.stdout_colours)
    }

    fn paint(&self, text: &str, colour: &str) -> String {
        painted(text, colour, self.stderr_colours)
    }
}

/// The process's own streams as plain files.
#[derive(Debug)]
pub(crate) struct RawStreams {
    /// Standard output.
    pub(crate) stdout: File,
    /// Standard error.
    pub(crate) stderr: File,
}

/// The object of a failure; a struct, because maps lose the order of their fields.
#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    error: RefusedError<'a>,
}

#[derive(Serialize)]
struct RefusedError<'a> {
    code: &'a Value,
    message: &'a Value,
    hint: &'a Value,
    details: &'a Value,
}

impl<'a> Refused<'a> {
    fn new(error: &'a Value) -> Self {
        Self {
            ok: false,
            error: RefusedError {
                code: &error["code"],
                message: &error["message"],
                hint: &error["hint"],
                details: &error["details"],
            },
        }
    }
}

fn painted(text: &str, colour: &str, wanted: bool) -> String {
    if wanted {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Text of an error without the control characters that a guest or a registry may have put there.
fn for_terminal(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() && character != '\n' {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

fn pretty<T: Serialize>(object: &T) -> String {
    let mut text = serde_json::to_string_pretty(object).expect("result objects have string keys only");
    text.push('\n');
    text
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}
