//! What a supervisor is started with, on its standard input, and what it reports, on its standard output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::api::RemoteError;
use crate::id::WorkspaceId;
use crate::settings::Settings;
use crate::workspace::Kind;

/// One line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Absent in orders of builds that knew only workspaces.
    #[serde(default)]
    pub(crate) kind: Kind,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) task: Task,
    home: PathBuf,
    cache_dir: PathBuf,
    runtime_dir: Option<PathBuf>,
    search_path: Vec<PathBuf>,
    templates: bool,
}

/// What the supervisor begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Make the disk and the first VM of a workspace that is being created, or of a VM that was.
    Create,
    /// Start a VM on the disk that is there.
    Start,
    /// Make the disk anew and start a VM on it.
    Reset,
}

/// One line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The workspace is started.
    Ready,
    /// It is not, and what was begun is undone.
    Failed(RemoteError),
}

impl Order {
    /// An order for a supervisor that sees the world as this process does.
    pub(crate) fn new(settings: &Settings, (kind, workspace_id): (Kind, WorkspaceId), task: Task) -> Self {
        Self {
            kind,
            workspace_id,
            task,
            home: settings.home.clone(),
            cache_dir: settings.cache_dir.clone(),
            runtime_dir: settings.runtime_dir.clone(),
            search_path: settings.search_path.clone(),
            templates: settings.templates,
        }
    }

    /// The settings of a supervisor that was ordered.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.home, &self.cache_dir);
        settings.runtime_dir.clone_from(&self.runtime_dir);
        settings.search_path.clone_from(&self.search_path);
        settings.templates = self.templates;
        settings
    }
}
