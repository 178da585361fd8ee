//! `pyro workspace list`.

use clap::Args;
use pyro::object::{WorkspaceList, WorkspaceState, WorkspaceSummary};
use pyro::{Pyro, Result, WorkspaceFilter};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::Table;
use crate::ui::Ui;
use crate::when;

/// List the workspaces, the one last used first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace list\n  pyro workspace list --label branch=main --state started"
)]
pub(crate) struct List {
    /// Only those with this label; may be given several times
    #[arg(long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,

    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
}

const STATES: [WorkspaceState; 8] = [
    WorkspaceState::Creating,
    WorkspaceState::Starting,
    WorkspaceState::Started,
    WorkspaceState::Stopping,
    WorkspaceState::Stopped,
    WorkspaceState::Resetting,
    WorkspaceState::Deleting,
    WorkspaceState::Damaged,
];

/// Shows the list.
pub(crate) fn execute(list: &List, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut filter = WorkspaceFilter::default();
    filter.labels = list
        .labels
        .iter()
        .map(|given| match given.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (given.clone(), None),
        })
        .collect();
    filter.state = list.state.as_deref().map(state).transpose()?;
    let list = WorkspaceList::of(pyro.workspaces(&filter)?);
    ui.result(&list, text)?;
    Ok(Exit::Done)
}

fn state(given: &str) -> Result<WorkspaceState, Failure> {
    let found = STATES.into_iter().find(|state| state.as_str() == given);
    found.ok_or_else(|| {
        Failure::invalid(
            format!("there is no state `{given}`"),
            format!("known: {}", STATES.map(WorkspaceState::as_str).join(", ")),
        )
    })
}

fn text(list: &WorkspaceList) -> String {
    let mut table = Table::with_heading(["ID", "NAME", "STATE", "ENVIRONMENT", "COMMANDS", "LAST USED"]);
    for workspace in &list.workspaces {
        table.push(row(workspace));
    }
    table.render()
}

fn row(workspace: &WorkspaceSummary) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        workspace.workspace_id.to_string(),
        or_dash(workspace.name.as_ref().map(ToString::to_string)),
        workspace.state.as_str().to_owned(),
        workspace.environment.clone(),
        workspace.command_count.to_string(),
        or_dash(workspace.last_activity_at.as_deref().map(when::relative)),
    ]
}
