//! Git, started so that it executes nothing of a repository and asks nobody.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::net::UnixStream;

use super::error::RepositoryError;
use crate::process::{self, OwnedChild};
use crate::settings::Settings;

/// The most shown of what Git said, in characters.
const MESSAGE_LENGTH: usize = 600;

/// Variables that would have Git work in another repository than the one it is told, as a hook's child inherits them.
const OF_ANOTHER: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_TEMPLATE_DIR",
];

/// Git for one repository from elsewhere, with the user's configuration: it knows how to reach it.
#[derive(Debug)]
pub(super) struct Git {
    program: PathBuf,
    url: String,
}

/// Git within a clone, without any configuration but the clone's own: no filter is known to it.
#[derive(Debug)]
pub(super) struct InClone<'a> {
    git: &'a Git,
    tree: PathBuf,
}

/// How Git ended.
struct Ended {
    succeeded: bool,
    output: String,
    said: String,
}

impl Git {
    /// Finds Git.
    ///
    /// # Errors
    /// [`RepositoryError::NoGit`].
    pub(super) fn new(settings: &Settings, url: &str) -> Result<Self, RepositoryError> {
        let program = process::find_program(&settings.search_path, "git");
        Ok(Self {
            program: program.ok_or_else(|| RepositoryError::NoGit { url: shown(url) })?,
            url: url.to_owned(),
        })
    }

    /// Clones the repository without a work tree.
    ///
    /// # Errors
    /// [`RepositoryError::Clone`].
    pub(super) async fn clone_to(&self, tree: &Path) -> Result<(), RepositoryError> {
        let mut command = self.reaching().await?;
        command
            .args([
                "clone",
                "--quiet",
                "--no-checkout",
                "--no-local",
                "--template=",
                "--",
                &self.url,
            ])
            .arg(tree);
        let ended = self.run(command).await?;
        self.done(&ended)
    }

    /// Fetches what no branch or tag of the clone leads to.
    ///
    /// # Errors
    /// [`RepositoryError::CheckOut`].
    pub(super) async fn fetch(
        &self,
        tree: &Path,
        reference: &str,
        into: &str,
    ) -> Result<(), RepositoryError> {
        let mut command = self.reaching().await?;
        let wanted = format!("+{reference}:{into}");
        command
            .arg("-C")
            .arg(tree)
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"])
            .args(["--no-recurse-submodules", "--", &self.url, &wanted]);
        let ended = self.run(command).await?;
        self.checked_out(&ended, reference)
    }

    /// Git within a clone.
    pub(super) fn within(&self, tree: &Path) -> InClone<'_> {
        InClone {
            git: self,
            tree: tree.to_owned(),
        }
    }

    /// Git as it reaches the repository.
    async fn reaching(&self) -> Result<Command, RepositoryError> {
        let mut asked = self.bare();
        asked.args(["config", "--get", "core.sshCommand"]);
        let configured = self.run(asked).await?.output;
        let ssh = match configured.trim() {
            "" => "ssh",
            configured => configured,
        };
        let mut command = self.bare();
        command
            .args(["-c", &format!("core.sshCommand={ssh} -o BatchMode=yes")])
            .args(["-c", "credential.interactive=false"]);
        Ok(command)
    }

    /// Git without hooks, prompts and a record of what it did.
    fn bare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.logAllRefUpdates=false"])
            .args(["-c", "core.fsmonitor=false"])
            .args(["-c", "maintenance.auto=false", "-c", "gc.auto=0"])
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_TERMINAL_PROMPT", "0")
            // Empty is none, and keeps Git from looking for another one.
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GCM_INTERACTIVE", "never")
            .current_dir("/");
        for variable in OF_ANOTHER {
            command.env_remove(variable);
        }
        command
    }

    async fn run(&self, mut command: Command) -> Result<Ended, RepositoryError> {
        let failed = |source| RepositoryError::Start { source };
        let (mut output, writer) = std::io::pipe().map_err(failed)?;
        let (messages, messages_end) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        messages.set_nonblocking(true).map_err(failed)?;
        command
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(OwnedFd::from(messages_end));
        process::bind_to_owner(&mut command);
        let running = process::spawn(command).await.map_err(failed)?;
        let messages = UnixStream::from_std(messages).map_err(failed)?;
        let mut child = OwnedChild::own(running, messages).map_err(failed)?;
        child.ended().await;
        let mut bytes = Vec::new();
        // What is asked for here is one line, which fits into the pipe.
        output.read_to_end(&mut bytes).map_err(failed)?;
        Ok(Ended {
            succeeded: child.succeeded(),
            output: String::from_utf8_lossy(&bytes).into_owned(),
            said: self.told(&child.stderr_tail().await),
        })
    }

    /// The lines that tell what went wrong, or all of them; without credentials.
    fn told(&self, said: &str) -> String {
        let mut lines: Vec<_> = said
            .lines()
            .filter(|line| {
                ["fatal:", "error:", "remote:"]
                    .iter()
                    .any(|kind| line.starts_with(kind))
            })
            .collect();
        if lines.is_empty() {
            lines = said.lines().collect();
        }
        let said = lines.join("; ").replace(&self.url, &shown(&self.url));
        let said = match secret(&self.url) {
            Some(secret) => said.replace(secret, "***"),
            None => said,
        };
        said.chars().take(MESSAGE_LENGTH).collect()
    }

    fn done(&self, ended: &Ended) -> Result<(), RepositoryError> {
        if ended.succeeded {
            return Ok(());
        }
        Err(RepositoryError::Clone {
            url: shown(&self.url),
            said: ended.said.clone(),
        })
    }

    fn checked_out(&self, ended: &Ended, reference: &str) -> Result<(), RepositoryError> {
        if ended.succeeded {
            return Ok(());
        }
        Err(RepositoryError::CheckOut {
            url: shown(&self.url),
            reference: reference.to_owned(),
            said: ended.said.clone(),
        })
    }
}

impl InClone<'_> {
    /// Writes the address into the clone without what is secret of it.
    ///
    /// # Errors
    /// [`RepositoryError::Clone`].
    pub(super) async fn forget_credentials(&self) -> Result<(), RepositoryError> {
        let plain = shown(&self.git.url);
        let ended = self.run(["config", "remote.origin.url", &plain]).await?;
        self.git.done(&ended)
    }

    /// Whether a branch, a tag or a commit came with the clone.
    ///
    /// # Errors
    /// [`RepositoryError::Start`].
    pub(super) async fn has(&self, reference: &str) -> Result<bool, RepositoryError> {
        Ok(self.is_branch(reference).await? || self.commit(reference).await?.is_some())
    }

    /// Makes the work tree that of a branch, tag or commit, or of what was fetched in its stead.
    ///
    /// # Errors
    /// [`RepositoryError::CheckOut`].
    pub(super) async fn check_out(&self, reference: &str, fetched: &str) -> Result<(), RepositoryError> {
        let branch = format!("refs/remotes/origin/{reference}");
        let ended = if self.is_branch(reference).await? {
            self.run(["checkout", "--quiet", "--force", "-B", reference, &branch, "--"])
                .await?
        } else {
            let wanted = match self.commit(reference).await? {
                Some(commit) => commit,
                None => fetched.to_owned(),
            };
            self.run(["checkout", "--quiet", "--force", "--detach", &wanted, "--"])
                .await?
        };
        self.git.checked_out(&ended, reference)
    }

    /// Makes the work tree that of the repository's own branch.
    ///
    /// # Errors
    /// [`RepositoryError::CheckOut`].
    pub(super) async fn check_out_head(&self) -> Result<(), RepositoryError> {
        let ended = self.run(["reset", "--quiet", "--hard"]).await?;
        self.git.checked_out(&ended, "HEAD")
    }

    /// The commit that the work tree is of.
    ///
    /// # Errors
    /// [`RepositoryError::Start`].
    pub(super) async fn head(&self) -> Result<Option<String>, RepositoryError> {
        self.commit("HEAD").await
    }

    async fn is_branch(&self, reference: &str) -> Result<bool, RepositoryError> {
        let branch = format!("refs/remotes/origin/{reference}");
        Ok(self.commit(&branch).await?.is_some())
    }

    async fn commit(&self, name: &str) -> Result<Option<String>, RepositoryError> {
        let name = format!("{name}^{{commit}}");
        let ended = self
            .run(["rev-parse", "--verify", "--quiet", "--end-of-options", &name])
            .await?;
        Ok(ended.succeeded.then(|| ended.output.trim().to_owned()))
    }

    async fn run<const N: usize>(&self, arguments: [&str; N]) -> Result<Ended, RepositoryError> {
        let mut command = self.git.bare();
        command
            .arg("-C")
            .arg(&self.tree)
            .args(arguments.map(OsStr::new))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env_remove("GIT_CONFIG_COUNT")
            .env_remove("GIT_CONFIG_PARAMETERS");
        self.git.run(command).await
    }
}

/// What stands for the user in an address of the form `scheme://user:password@host`, if that is secret: a password, or
/// over HTTP anything, for that may be a token.
fn secret(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    (is_http || user.contains(':')).then_some(user)
}

/// An address without what is secret of it.
fn shown(url: &str) -> String {
    match secret(url) {
        Some(secret) => url.replacen(&format!("{secret}@"), "", 1),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        for (url, plain) in [
            ("https://u:p@h/a", "https://h/a"),
            ("https://token@h:1/a@b", "https://h:1/a@b"),
            ("HTTPS://a@b@h/x", "HTTPS://h/x"),
            ("https://h/a@b", "https://h/a@b"),
            ("ssh://git@h/a", "ssh://git@h/a"),
            ("ssh://git:p@h/a", "ssh://h/a"),
            ("git@h:a/b", "git@h:a/b"),
            ("file:///a", "file:///a"),
        ] {
            assert_eq!(shown(url), plain, "{url}");
        }
    }
}
