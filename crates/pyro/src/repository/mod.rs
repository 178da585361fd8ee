//! A repository from elsewhere, cloned by the host as something to begin workspaces with.
//!
//! ```text
//! home/repositories/.lock       held by whoever makes or removes a clone
//! home/repositories/{hex}/lock  held for as long as the clone is used; one that nobody holds is removed with the next
//! home/repositories/{hex}/tree  the clone
//! ```
//!
//! Nothing of the repository is executed: no hook, no filter, no submodule's address is followed. What Git asks for
//! credentials with is the user's own configuration, which is read here and never copied into the clone.

mod error;
mod git;

use std::fs::File;
use std::path::{Path, PathBuf};

use self::error::RepositoryError;
use self::git::Git;
use crate::argument::InvalidArgument;
use crate::environment::{EnvironmentProgress, OnProgress};
use crate::error::Result;
use crate::held_lock::HeldLock;
use crate::{Pyro, dirs, random};

/// The directory of all clones.
const DIRECTORY: &str = "repositories";

/// Where a commit is kept that no branch or tag of the clone leads to.
const FETCHED: &str = "refs/pyro/wanted";

/// A repository, and which state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositoryRequest {
    /// Where it is, as `git clone` takes it.
    pub url: String,
    /// A branch, tag or commit; the branch that the repository names its own if absent.
    pub reference: Option<String>,
}

impl RepositoryRequest {
    /// A state of a repository.
    ///
    /// # Errors
    /// [`InvalidArgument`] for what Git would take for an option, or no text at all.
    pub fn new(url: impl Into<String>, reference: Option<String>) -> Result<Self, InvalidArgument> {
        let url = url.into();
        let given = [("repo_url", Some(&url)), ("repo_ref", reference.as_ref())];
        for (name, text) in given {
            if let Some(text) = text.filter(|text| !is_plain(text)) {
                return Err(InvalidArgument::Malformed {
                    name,
                    problem: "must be text that begins with no `-`",
                    given: text.chars().take(100).filter(|c| !c.is_control()).collect(),
                });
            }
        }
        Ok(Self { url, reference })
    }
}

/// A clone on this host. It is removed with this value.
#[derive(Debug)]
pub struct Repository {
    dir: PathBuf,
    commit: Option<String>,
    lock: Option<HeldLock>,
}

impl Repository {
    /// The work tree.
    pub fn path(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// The commit that the work tree shows, in full; none if the repository has none.
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _the_next_clone_finds_it = std::fs::remove_dir_all(&self.dir);
        drop(self.lock.take());
    }
}

impl Pyro {
    /// Clones a repository into the state directory, without hooks, filters, submodules and prompts.
    ///
    /// Must be called within a tokio runtime. Dropping the future ends it and leaves nothing behind.
    ///
    /// # Errors
    /// `pull-failed` if the repository or its state cannot be had, `host-io` if Git is not installed or the state
    /// directory cannot be used.
    pub async fn clone_repository(
        &self,
        request: &RepositoryRequest,
        progress: OnProgress<'_>,
    ) -> Result<Repository> {
        let git = Git::new(self.settings(), &request.url)?;
        let mut repository = begin(&self.settings().home)?;
        progress(EnvironmentProgress::Step("cloning the repository".to_owned()));
        let tree = repository.path();
        git.clone_to(&tree).await?;
        let tree = git.within(&tree);
        tree.forget_credentials().await?;
        if let Some(reference) = &request.reference {
            if !tree.has(reference).await? {
                git.fetch(&repository.path(), reference, FETCHED).await?;
            }
            tree.check_out(reference, FETCHED).await?;
        } else if tree.head().await?.is_some() {
            tree.check_out_head().await?;
        }
        repository.commit = tree.head().await?;
        Ok(repository)
    }
}

/// Makes the place for a clone, and removes those that nobody uses.
fn begin(home: &Path) -> Result<Repository> {
    dirs::StateDir::open(home)?;
    let all = home.join(DIRECTORY);
    dirs::ensure_private(&all)?;
    let _making = lock(&all.join(".lock"))?;
    remove_unused(&all);
    let dir = all.join(random::hex::<8>());
    dirs::ensure_private(&dir)?;
    Ok(Repository {
        lock: Some(lock(&dir.join("lock"))?),
        dir,
        commit: None,
    })
}

fn remove_unused(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else {
        return;
    };
    for entry in entries.flatten().map(|entry| entry.path()) {
        let lock = File::open(entry.join("lock"));
        // One without a lock was being removed when whoever did that ended.
        let is_used = lock.is_ok_and(|lock| lock.try_lock().is_err());
        if entry.is_dir()
            && !is_used
            && let Err(error) = std::fs::remove_dir_all(&entry)
        {
            tracing::warn!(%error, "a clone that nobody uses is not removed yet");
        }
    }
}

fn lock(path: &Path) -> Result<HeldLock, RepositoryError> {
    let locked = || {
        let file = File::create(path)?;
        file.lock()?;
        Ok(HeldLock::of(file))
    };
    locked().map_err(|source| RepositoryError::Place {
        path: path.to_owned(),
        source,
    })
}

/// Whether Git takes a text as a value, whatever is in it.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_would_take_for_an_option_is_refused() {
        for (url, reference) in [
            ("", None),
            ("--upload-pack=x", None),
            ("https://a\n", None),
            ("https://a", Some("-f")),
            ("https://a", Some("")),
        ] {
            let refused = RepositoryRequest::new(url, reference.map(str::to_owned)).unwrap_err();
            assert!(refused.to_string().contains("begins with no `-`"), "{refused}");
        }
        RepositoryRequest::new("git@host:a/b", Some("v1".to_owned())).unwrap();
    }

    #[test]
    fn a_clone_that_nobody_uses_goes_with_the_next() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("home");
        let used = begin(&home).unwrap();
        let mut left = begin(&home).unwrap();
        let path = left.dir.clone();
        // As if its process had been killed.
        drop(left.lock.take());
        std::mem::forget(left);
        let next = begin(&home).unwrap();
        assert!(!path.exists() && used.dir.exists() && next.dir.exists());
        let dirs = [used.dir.clone(), next.dir.clone()];
        drop((used, next));
        assert!(dirs.iter().all(|dir| !dir.exists()));
    }
}
