//! What workspaces start from where a call names no seed: the project that the client works on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyro::{CreateRequest, OnProgress, Pyro, Repository, RepositoryRequest, SeedOrigin};
use tokio::sync::Mutex;

/// What workspaces start from where a call names no seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Project {
    /// Nothing: they are empty.
    #[default]
    None,
    /// A directory of the host. Clients may also name what is in it, and relative paths of the host start there.
    Directory(PathBuf),
    /// A repository from elsewhere, which the host clones when the first workspace is to start from it.
    Repository(RepositoryRequest),
}

impl Project {
    /// The Git checkout around a directory, if there is one.
    ///
    /// The directories in `not` are none, even if they are checkouts: a home that is kept in Git is no project.
    pub fn around(directory: &Path, not: &[PathBuf]) -> Self {
        let mut above = directory.ancestors();
        match above.find(|path| path.join(".git").symlink_metadata().is_ok()) {
            Some(top) if !not.iter().any(|not| not == top) => Self::Directory(top.to_owned()),
            Some(_) | None => Self::None,
        }
    }

    /// The directory, if it is one of the host's.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Repository(_) | Self::None => None,
        }
    }

    /// Whether there is any.
    pub(crate) fn is_there(&self) -> bool {
        *self != Self::None
    }
}

/// The project of a server. Cheap to clone; clones share what was fetched.
#[derive(Debug, Clone)]
pub(crate) struct ProjectSource {
    project: Project,
    cloned: Arc<Mutex<Option<Arc<Repository>>>>,
}

impl ProjectSource {
    pub(crate) fn new(project: Project) -> Self {
        Self {
            project,
            cloned: Arc::default(),
        }
    }

    /// Has a workspace start from it. The clone that it starts from stays for as long as the returned value lives.
    ///
    /// # Errors
    /// What keeps the repository from being cloned.
    pub(crate) async fn seed(
        &self,
        pyro: &Pyro,
        request: &mut CreateRequest,
        progress: OnProgress<'_>,
    ) -> pyro::Result<Option<Arc<Repository>>> {
        match &self.project {
            Project::None => Ok(None),
            Project::Directory(path) => {
                request.seed_path = Some(path.clone());
                request.origin = SeedOrigin::Project;
                Ok(None)
            }
            Project::Repository(wanted) => {
                // Whoever comes meanwhile waits for the one clone.
                let mut cloned = self.cloned.lock().await;
                let there = cloned.clone().filter(|clone| clone.path().is_dir());
                let clone = match there {
                    Some(clone) => clone,
                    None => Arc::new(pyro.clone_repository(wanted, progress).await?),
                };
                *cloned = Some(Arc::clone(&clone));
                request.seed_path = Some(clone.path());
                request.origin = SeedOrigin::Repo(clone.commit().map(str::to_owned));
                Ok(Some(clone))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_the_checkout_around_a_directory() {
        let base = tempfile::tempdir().unwrap();
        let top = base.path().join("top");
        let below = top.join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(Project::around(&below, &[]), Project::None);
        // A work tree of `git worktree add` has a file there.
        std::fs::write(top.join(".git"), "gitdir: elsewhere\n").unwrap();
        for inside in [&below, &top] {
            assert_eq!(Project::around(inside, &[]), Project::Directory(top.clone()));
        }
        assert_eq!(Project::around(&below, std::slice::from_ref(&top)), Project::None);
        assert_eq!(Project::around(base.path(), &[]), Project::None);
    }
}
