//! Option groups that several commands share.

use std::ffi::{OsStr, OsString};
use std::num::IntErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pyro::argument::{self, InvalidArgument};
use pyro::{IsolationFloor, Resources, Settings, Stdin};

use crate::failure::Failure;
use crate::host_path;
use crate::stdin::HostStdin;
use crate::ui::{ColourChoice, Form, Ui, Verbosity};

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// Print one JSON object instead of text, for errors too
    #[arg(long, global = true)]
    json: bool,

    /// Print no progress, summaries or warnings
    #[arg(short, long, global = true)]
    quiet: bool,

    /// When to use colours; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    color: ColourChoice,

    /// Keep state in DIR [default: $PYRO_HOME, else ~/.local/state/pyro]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl GlobalOptions {
    /// What is said, and how.
    pub(crate) fn ui(&self) -> Ui {
        let form = if self.json { Form::Json } else { Form::Human };
        let verbosity = if self.quiet {
            Verbosity::Quiet
        } else {
            Verbosity::Normal
        };
        Ui::new(form, verbosity, self.color)
    }

    /// The settings of this invocation: the environment's, then the options'.
    ///
    /// # Errors
    /// If a variable or the directory cannot be used.
    pub(crate) fn settings(&self) -> pyro::Result<Settings> {
        let mut settings = Settings::from_env()?;
        if let Some(home) = &self.home {
            settings.home = std::path::absolute(host_path::expand(home)).map_err(|error| {
                Failure::invalid(format!("`--home` cannot be used: {error}"), "name a directory")
            })?;
        }
        Ok(settings)
    }
}

/// How large a VM is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Size")]
pub(crate) struct SizeOptions {
    /// Virtual CPUs, 1–32
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole_number, allow_negative_numbers = true)]
    vcpu_count: u64,

    /// Memory in MiB, from 128 up to what the host has
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = whole_number, allow_negative_numbers = true)]
    mem_mib: u64,

    /// Most disk space that the VM may fill, in GiB, 1–1024
    #[arg(long, value_name = "GIB", default_value_t = 10, value_parser = whole_number, allow_negative_numbers = true)]
    disk_gib: u64,
}

impl SizeOptions {
    /// The size, if it is within the limits.
    ///
    /// # Errors
    /// For the first value out of its range.
    pub(crate) fn resources(&self, host_memory_mib: u64) -> Result<Resources, InvalidArgument> {
        Resources::new(self.vcpu_count, self.mem_mib, self.disk_gib, host_memory_mib)
    }
}

/// What a tree begins with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Seed")]
pub(crate) struct SeedOptions {
    /// Directory or tar, plain or compressed, that /workspace begins with [default: nothing]
    #[arg(long, value_name = "PATH")]
    seed_path: Option<PathBuf>,

    /// Take along what Git ignores in it
    #[arg(long, requires = "seed_path")]
    pub(crate) include_ignored: bool,
}

impl SeedOptions {
    /// The directory or archive, absolute.
    ///
    /// # Errors
    /// If it is standard input.
    pub(crate) fn source(&self) -> Result<Option<PathBuf>, Failure> {
        let path = self.seed_path.as_deref();
        path.map(|path| host_path::source("--seed-path", path))
            .transpose()
    }
}

/// How strongly the guest is kept apart.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub(crate) struct TierOptions {
    /// Isolation to insist on; `auto` takes the strongest that works here [default: $PYRO_ISOLATION, else auto]
    #[arg(long, value_name = "TIER", value_parser = isolation())]
    pub(crate) isolation: Option<IsolationFloor>,

    /// Where no VM can be had, run commands on this host itself: NOTHING ISOLATES THEM, they can do all that you can
    #[arg(long)]
    pub(crate) allow_host_compat: bool,
}

/// Reads a demanded isolation.
pub(crate) fn isolation() -> impl TypedValueParser<Value = IsolationFloor> {
    PossibleValuesParser::new(["auto", "hardware", "emulated"]).try_map(|name| name.parse::<IsolationFloor>())
}

/// How a command runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Command")]
pub(crate) struct ExecOptions {
    /// End the command after this many seconds, 1–86400
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = argument::DEFAULT_TIMEOUT.as_secs(),
        value_parser = whole_number,
        allow_negative_numbers = true,
    )]
    timeout_seconds: u64,

    /// Working directory [default: /workspace in a workspace, else the image's]
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,

    /// Variable for the command; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE")]
    variables: Vec<OsString>,

    /// User, as name or number, with `:group` if wanted [default: the image's]
    #[arg(long)]
    user: Option<String>,

    /// Pass standard input to the command
    #[arg(short = 'i', long)]
    stdin: bool,
}

/// What the options of a command amount to.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) timeout: Option<Duration>,
    pub(crate) cwd: Option<String>,
    pub(crate) env: Vec<(String, OsString)>,
    pub(crate) user: Option<String>,
    pub(crate) stdin: Stdin,
}

impl ExecOptions {
    /// Makes the options out.
    ///
    /// # Errors
    /// For the first value that cannot be used.
    pub(crate) fn make_out(self) -> pyro::Result<Exec> {
        let seconds = argument::in_range(
            "timeout_seconds",
            self.timeout_seconds,
            &argument::TIMEOUT_SECONDS,
        )
        .map_err(Failure::argument)?;
        let env = self
            .variables
            .iter()
            .map(|assignment| variable(assignment))
            .collect::<Result<_, _>>()
            .map_err(Failure::argument)?;
        let stdin = if self.stdin {
            let stdin = HostStdin::open().map_err(Failure::host("cannot read standard input"))?;
            Stdin::Reader(Box::new(stdin))
        } else {
            Stdin::Empty
        };
        Ok(Exec {
            timeout: Some(Duration::from_secs(seconds)),
            cwd: self.cwd,
            env,
            user: self.user,
            stdin,
        })
    }
}

/// Splits `NAME=VALUE` at the first `=`. The value is never trimmed, and need not be text.
fn variable(assignment: &OsStr) -> Result<(String, OsString), InvalidArgument> {
    let bytes = assignment.as_bytes();
    // Values may be secret, so an error never shows more than the name.
    let malformed = |problem, given: &[u8]| InvalidArgument::Malformed {
        name: "env",
        problem,
        given: String::from_utf8_lossy(given).escape_debug().to_string(),
    };
    let Some(split) = bytes.iter().position(|byte| *byte == b'=') else {
        return Err(malformed("must be NAME=VALUE", bytes));
    };
    let (name, value) = (&bytes[..split], &bytes[split + 1..]);
    match std::str::from_utf8(name) {
        Ok(text) if is_variable_name(text) => Ok((text.to_owned(), OsString::from_vec(value.to_vec()))),
        _ => Err(malformed(
            "needs a name of 1–64 letters, digits and `_` that begins with no digit",
            name,
        )),
    }
}

fn is_variable_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// A number for the library to check against its range.
pub(crate) fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        match error.kind() {
            IntErrorKind::PosOverflow => "is too large",
            _ => "is not a whole number",
        }
        .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_splits_at_its_first_equals_sign_and_keeps_its_value() {
        let split = |text: &str| variable(text.as_ref());
        assert_eq!(split("A=b=c"), Ok(("A".to_owned(), "b=c".into())));
        assert_eq!(split("_a1="), Ok(("_a1".to_owned(), "".into())));
        assert_eq!(split("A= \n"), Ok(("A".to_owned(), " \n".into())));
        let bytes = OsString::from_vec(b"A=\xff".to_vec());
        assert_eq!(
            variable(&bytes),
            Ok(("A".to_owned(), OsString::from_vec(vec![0xff])))
        );
    }

    #[test]
    fn a_bad_variable_is_refused_without_its_value() {
        for text in ["=secret", "1A=secret", "A-B=secret", "é=secret", " A=secret"] {
            let error = variable(text.as_ref()).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        variable("A".as_ref()).unwrap_err();
        variable(format!("{}=x", "A".repeat(64)).as_ref()).unwrap();
        variable(format!("{}=x", "A".repeat(65)).as_ref()).unwrap_err();
    }

    #[test]
    fn numbers_are_whole() {
        assert_eq!(whole_number("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(
            whole_number("18446744073709551616"),
            Err("is too large".to_owned())
        );
        for text in ["-1", "1.5", "", "1G"] {
            assert_eq!(
                whole_number(text),
                Err("is not a whole number".to_owned()),
                "{text}"
            );
        }
    }
}
