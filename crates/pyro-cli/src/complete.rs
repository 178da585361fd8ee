//! What a shell offers where its user presses Tab: the shell asks pyro itself, which knows what it keeps.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::CompleteEnv;
use pyro::{Pyro, Settings, WorkspaceFilter};

/// The variable by which the scripts of [`crate::command`]'s `completions` ask, with the name of the shell.
pub(crate) const VARIABLE: &str = "PYRO_COMPLETE";

/// Answers a shell that asks what could come next; whether one did.
pub(crate) fn answer(words: &[OsString], grammar: impl Fn() -> Command) -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(grammar)
        .var(VARIABLE)
        .try_complete(words.iter().cloned(), here.as_deref());
    // Whatever goes wrong, a line that is being written is no place to say so.
    asked.unwrap_or(true)
}

/// Completes the names of environments: the catalog's and those that are installed.
pub(crate) fn environments() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let list = open().and_then(|pyro| pyro.environments().list().ok());
        let names = list.into_iter().flat_map(|list| list.environments);
        candidates(current, names.map(|known| (known.name, known.description)))
    })
}

/// Completes workspaces by their names, or ids where they have none.
pub(crate) fn workspaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| candidates(current, known_workspaces(current)))
}

/// Completes one side of a copy: a workspace with the colon behind it, or a path of this host.
pub(crate) fn copy_sides() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let workspaces = known_workspaces(current).map(|(name, told)| (format!("{name}:"), told));
        let mut sides = candidates(current, workspaces);
        sides.extend(PathCompleter::any().complete(current));
        sides
    })
}

/// The workspaces by their names, and by their ids where they have none or somebody began to write one.
fn known_workspaces(current: &OsStr) -> impl Iterator<Item = (String, String)> {
    let list = open().and_then(|pyro| pyro.workspaces(&WorkspaceFilter::default()).ok());
    list.into_iter().flatten().flat_map(|workspace| {
        let id = workspace.workspace_id.to_string();
        let named = workspace.name.map(|name| (name.to_string(), id.clone()));
        let by_id = (!current.is_empty() || named.is_none()).then_some((id, workspace.environment));
        [named, by_id].into_iter().flatten()
    })
}

fn open() -> Option<Pyro> {
    Settings::from_env().ok().map(Pyro::open)
}

fn candidates(current: &OsStr, values: impl Iterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    values
        .filter(|(value, _)| value.starts_with(&*begun))
        .map(|(value, told)| CompletionCandidate::new(value).help(Some(told.into())))
        .collect()
}
