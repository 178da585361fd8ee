//! What a server or a tool box offers, as Python says it.

use std::path::PathBuf;

use pyro::Error;
use pyro_mcp::{Profile, Project, Selection, ServerOptions, Structured};
use serde::Deserialize;

use crate::failure::CallError;
use crate::request::HostText;

/// What is offered; see `Pyro.create_server`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerChoice {
    profile: String,
    tools: Option<Vec<String>>,
    exclude_tools: Option<Vec<String>>,
    read_only: bool,
    allow_host_paths: Vec<HostText>,
    allow_autorun_paths: bool,
    project_path: Option<HostText>,
    environment: Option<String>,
    structured: String,
}

impl ServerChoice {
    /// The same, checked.
    ///
    /// # Errors
    /// `invalid-argument`, naming the argument.
    pub(crate) fn options(self) -> Result<ServerOptions, Error> {
        let mut options = ServerOptions::new(self.profile.parse::<Profile>()?);
        let (only, without) = (
            self.tools.unwrap_or_default(),
            self.exclude_tools.unwrap_or_default(),
        );
        options.selection = Selection::new(options.profile, only, without, self.read_only)?;
        options.structured = self.structured.parse::<Structured>()?;
        options.environment = self.environment;
        options.allow_autorun_paths = self.allow_autorun_paths;
        for path in self.allow_host_paths {
            options
                .allow_host_paths
                .push(directory("allow_host_paths", path)?);
        }
        if let Some(path) = self.project_path {
            options.project = Project::Directory(directory("project_path", path)?);
        }
        Ok(options)
    }
}

/// A directory that is there. One that is not would allow nothing, without a word.
fn directory(name: &str, path: HostText) -> Result<PathBuf, Error> {
    let path = path.into_path();
    let found = path.canonicalize().ok().filter(|path| path.is_dir());
    found.ok_or_else(|| CallError::argument(name, format!("`{}` is no directory", path.display())).into())
}
