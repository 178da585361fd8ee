//! The options that say what workspaces start from over MCP where a call names no seed.

use std::path::PathBuf;

use clap::Args;
use pyro::{RepositoryRequest, Result};
use pyro_mcp::Project;

use crate::failure::Failure;
use crate::host_path;

/// The options, which a server takes and an entry of a host's configuration is written with.
#[derive(Debug, Args)]
pub(crate) struct ProjectOptions {
    /// Workspaces start from DIR where a call names no seed, clients may bring in what is there and bring out to it, and
    /// relative paths start there [default: the Git checkout around the working directory]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["repo_url", "no_project_source"])]
    project_path: Option<PathBuf>,

    /// Workspaces start from a clone of this repository, made by the host when the first of them is
    #[arg(long, value_name = "URL", conflicts_with = "no_project_source")]
    repo_url: Option<String>,

    /// Branch, tag or commit of the repository [default: its own branch]
    #[arg(long, value_name = "REF", requires = "repo_url")]
    repo_ref: Option<String>,

    /// Workspaces start empty where a call names no seed
    #[arg(long)]
    no_project_source: bool,
}

impl ProjectOptions {
    /// No option at all.
    pub(crate) fn none() -> Self {
        Self {
            project_path: None,
            repo_url: None,
            repo_ref: None,
            no_project_source: false,
        }
    }

    /// What a server that was started here has.
    ///
    /// # Errors
    /// If the directory is not there, or Git could not take the address.
    pub(crate) fn project(&self) -> Result<Project> {
        if self.no_project_source {
            return Ok(Project::None);
        }
        if let Some(path) = self.directory()? {
            return Ok(Project::Directory(path));
        }
        match &self.repo_url {
            Some(url) => Ok(Project::Repository(RepositoryRequest::new(
                url.as_str(),
                self.repo_ref.clone(),
            )?)),
            None => Ok(around_here()),
        }
    }

    /// The options for a configuration file, which is read elsewhere.
    ///
    /// # Errors
    /// If the directory is not there, or is not text.
    pub(crate) fn words(&self) -> Result<Vec<String>> {
        let mut words = Vec::new();
        let mut say = |option: &str, value: String| words.extend([option.to_owned(), value]);
        if let Some(path) = self.directory()? {
            say("--project-path", host_path::text("--project-path", path)?);
        }
        if let Some(url) = &self.repo_url {
            say("--repo-url", url.clone());
        }
        if let Some(reference) = &self.repo_ref {
            say("--repo-ref", reference.clone());
        }
        if self.no_project_source {
            words.push("--no-project-source".to_owned());
        }
        Ok(words)
    }

    fn directory(&self) -> Result<Option<PathBuf>, Failure> {
        let path = self.project_path.as_deref();
        path.map(|path| host_path::directory("--project-path", path))
            .transpose()
    }
}

/// The Git checkout around the working directory. A home that is kept in Git is no project: who works somewhere in it has
/// not said that a model may have it all.
fn around_here() -> Project {
    let Ok(here) = std::env::current_dir().and_then(|here| here.canonicalize()) else {
        return Project::None;
    };
    let home = std::env::home_dir().and_then(|home| home.canonicalize().ok());
    let not: Vec<_> = home.into_iter().chain([PathBuf::from("/")]).collect();
    Project::around(&here, &not)
}
