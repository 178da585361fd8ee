//! A command with everything about it that can be chosen, checked and made ready for the agent.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::message::Exec;

use super::follow::GRACE;
use super::{Command, millis, shell};
use crate::argument::{self, InvalidArgument};
use crate::environment::ImageDefaults;
use crate::guest;

/// What a caller wants to be run in a guest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// What to run.
    pub(crate) command: &'a Command,
    /// How long it may run; `None` is without limit.
    pub(crate) timeout: Option<Duration>,
    /// The working directory; the default's if absent.
    pub(crate) cwd: Option<&'a str>,
    /// Variables on top of the default ones.
    pub(crate) env: &'a [(String, OsString)],
    /// The user; the default one if absent.
    pub(crate) user: Option<&'a str>,
    /// Whether standard input follows.
    pub(crate) has_stdin: bool,
}

impl Wanted<'_> {
    /// Checks everything that can be checked without a guest.
    ///
    /// # Errors
    /// [`InvalidArgument`] for the first value that cannot be used.
    pub(crate) fn validate(&self) -> Result<(), InvalidArgument> {
        self.command.validate()?;
        if let Some(timeout) = self.timeout {
            argument::in_range("timeout_seconds", timeout.as_secs(), &argument::TIMEOUT_SECONDS)?;
        }
        for (name, value) in self.env {
            argument::variable_name(name)?;
            argument::no_nul("env", value.as_bytes())?;
        }
        if let Some(cwd) = self.cwd {
            argument::no_nul("cwd", cwd.as_bytes())?;
            if !cwd.starts_with('/') {
                return Err(InvalidArgument::Malformed {
                    name: "cwd",
                    problem: "must be an absolute path in the guest",
                    given: cwd.to_owned(),
                });
            }
        }
        self.user
            .map_or(Ok(()), |user| argument::no_nul("user", user.as_bytes()))
    }

    /// The command for the agent, under a new request id.
    pub(crate) fn to_exec(self, defaults: &ImageDefaults) -> Exec {
        let (argv, shell) = match self.command {
            Command::Argv(words) => (words.iter().cloned().map(bytes).collect(), None),
            Command::Shell(text) => {
                let words = shell::plain_words(text).unwrap_or_default();
                (
                    words.into_iter().map(Bytes::from).collect(),
                    Some(Bytes::copy_from_slice(text.as_bytes())),
                )
            }
        };
        let own = self.env.iter().map(|(name, value)| {
            let mut entry = OsString::from(name);
            entry.push("=");
            entry.push(value);
            bytes(entry)
        });
        let image = defaults
            .env
            .iter()
            .map(|entry| Bytes::copy_from_slice(entry.as_bytes()));
        let cwd = self.cwd.unwrap_or(&defaults.working_dir);
        Exec {
            request_id: guest::request_id(),
            argv,
            shell,
            env: image.chain(own).collect(),
            create_cwd: self.cwd.is_none(),
            cwd: Bytes::copy_from_slice(cwd.as_bytes()),
            user: self.user.unwrap_or(&defaults.user).to_owned(),
            timeout_ms: self.timeout.map_or(0, millis),
            grace_ms: millis(GRACE),
            stdin: self.has_stdin,
            rehearsal: false,
        }
    }
}

fn bytes(text: OsString) -> Bytes {
    Bytes::from(text.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> ImageDefaults {
        ImageDefaults {
            env: vec!["PATH=/bin".to_owned(), "A=image".to_owned()],
            working_dir: "/src".to_owned(),
            user: "app".to_owned(),
        }
    }

    fn wanted<'a>(command: &'a Command, env: &'a [(String, OsString)], cwd: Option<&'a str>) -> Wanted<'a> {
        Wanted {
            command,
            timeout: Some(Duration::from_secs(30)),
            cwd,
            env,
            user: None,
            has_stdin: false,
        }
    }

    #[test]
    fn the_images_defaults_apply_and_the_callers_words_win() {
        let command = Command::Shell("a && b".to_owned());
        let env = [("A".to_owned(), "mine=1 ".into())];
        let exec = wanted(&command, &env, None).to_exec(&defaults());
        assert_eq!(exec.env, ["PATH=/bin", "A=image", "A=mine=1 "]);
        assert_eq!(
            (&exec.cwd[..], exec.create_cwd, exec.user.as_str()),
            (&b"/src"[..], true, "app")
        );
        assert!(exec.argv.is_empty(), "a list of commands needs a shell");
        assert_eq!(exec.timeout_ms, 30_000);
    }

    #[test]
    fn a_named_directory_must_exist() {
        let command = Command::Shell("git --version".to_owned());
        let exec = wanted(&command, &[], Some("/there")).to_exec(&defaults());
        assert!(!exec.create_cwd);
        assert_eq!(exec.argv, ["git", "--version"]);
    }
}
