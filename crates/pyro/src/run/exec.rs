//! The request to the agent, from the caller's request and the image's defaults.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use pyro_proto::message::Exec;

use super::follow::GRACE;
use super::shell;
use super::{Command, RunRequest, Stdin};
use crate::environment::ImageDefaults;
use crate::guest;

/// The command for the agent, under a new request id.
pub(super) fn prepare(request: &RunRequest, defaults: &ImageDefaults) -> Exec {
    let (argv, shell) = match &request.command {
        Command::Argv(words) => (words.iter().cloned().map(bytes).collect(), None),
        Command::Shell(text) => {
            let words = shell::plain_words(text).unwrap_or_default();
            (
                words.into_iter().map(Bytes::from).collect(),
                Some(Bytes::copy_from_slice(text.as_bytes())),
            )
        }
    };
    let own = request.env.iter().map(|(name, value)| {
        let mut entry = OsString::from(name);
        entry.push("=");
        entry.push(value);
        bytes(entry)
    });
    let image = defaults
        .env
        .iter()
        .map(|entry| Bytes::copy_from_slice(entry.as_bytes()));
    let cwd = request.cwd.as_ref().unwrap_or(&defaults.working_dir);
    let user = request.user.as_ref().unwrap_or(&defaults.user);
    Exec {
        request_id: guest::request_id(),
        argv,
        shell,
        env: image.chain(own).collect(),
        create_cwd: request.cwd.is_none(),
        cwd: Bytes::copy_from_slice(cwd.as_bytes()),
        user: user.clone(),
        timeout_ms: request.timeout.map_or(0, super::millis),
        grace_ms: super::millis(GRACE),
        stdin: matches!(request.stdin, Stdin::Reader(_)),
        rehearsal: false,
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

    #[test]
    fn the_images_defaults_apply_and_the_callers_words_win() {
        let mut request = RunRequest::new(Command::Shell("a && b".to_owned()));
        request.env.push(("A".to_owned(), "mine=1 ".into()));
        let exec = prepare(&request, &defaults());
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
        let mut request = RunRequest::new(Command::Shell("git --version".to_owned()));
        request.cwd = Some("/there".to_owned());
        let exec = prepare(&request, &defaults());
        assert!(!exec.create_cwd);
        assert_eq!(exec.argv, ["git", "--version"]);
    }
}
