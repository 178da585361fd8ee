//! What is found in the configuration of hosts.

use std::path::{Path, PathBuf};

use pyro::{ErrorCode, Result};
use serde::Serialize;

use crate::failure::Failure;
use crate::host::entry::{Entry, Found};
use crate::host::{Config, place, serve, write};
use crate::table::one_line;

/// The *host report* of the contract.
#[derive(Debug, Serialize)]
pub(crate) struct HostReport {
    pub(crate) hosts: Vec<HostState>,
    /// Whether a file was changed, or would be if it were no dry run.
    pub(crate) changed: bool,
}

/// One host.
#[derive(Debug, Serialize)]
pub(crate) struct HostState {
    pub(crate) host: &'static str,
    pub(crate) status: HostStatus,
    pub(crate) config_path: PathBuf,
    pub(crate) command: Option<String>,
    pub(crate) args: Vec<String>,
    pub(crate) problems: Vec<String>,
}

/// How far an entry does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HostStatus {
    /// It starts this pyro.
    Connected,
    /// There is none.
    Missing,
    /// It starts another program, or this one would refuse its arguments.
    Stale,
    /// The file or the entry cannot be understood.
    Broken,
}

/// Looks into a configuration.
pub(crate) fn state(config: &Config, name: &str) -> HostState {
    let mut state = HostState {
        host: config.host.name(),
        status: HostStatus::Broken,
        config_path: config.path.clone(),
        command: None,
        args: Vec::new(),
        problems: Vec::new(),
    };
    let found = match write::read(&config.path) {
        Ok(text) => config.find(&text.unwrap_or_default(), name),
        Err(error) => {
            state.problems.push(error.to_string());
            return state;
        }
    };
    match found {
        Err(problem) => state.problems.push(problem.to_string()),
        Ok(Found::Nothing) => {
            state.status = HostStatus::Missing;
            state.problems.push(format!("there is no server `{name}`"));
        }
        Ok(Found::Foreign(problem) | Found::Malformed(problem)) => state.problems.push(problem),
        Ok(Found::Entry { entry, is_off }) => {
            state.problems = staleness(&entry);
            state.status = if state.problems.is_empty() {
                HostStatus::Connected
            } else {
                HostStatus::Stale
            };
            if is_off {
                state.problems.push("the entry is switched off".to_owned());
            }
            state.command = Some(entry.command);
            state.args = entry.args;
        }
    }
    state
}

/// Why an entry does not start this pyro as it should. No program is run: a project's file may name any.
fn staleness(entry: &Entry) -> Vec<String> {
    if !entry.is_ours() {
        return vec!["the entry starts another program than pyro".to_owned()];
    }
    let mut problems = Vec::new();
    let this = place::this_program().map(PathBuf::from).ok();
    let this = this.and_then(|path| path.canonicalize().ok());
    let is_this = |path: &Path| this.as_deref().is_some_and(|this| place::leads_to(path, this));
    match place::program(&entry.command) {
        Some(path) if is_this(&path) => {}
        Some(path) if path.exists() => {
            problems.push("the command is another program than this pyro".to_owned());
        }
        _ => problems.push("the command is not there".to_owned()),
    }
    if let Some(refusal) = serve::refusal(&entry.args) {
        problems.push(format!("this pyro refuses the arguments: {refusal}"));
    }
    problems
}

/// Puts what `entry` makes of the present entry into a configuration, and says whether that changes it.
///
/// # Errors
/// If the file cannot be understood, read or written, or the name is that of another server.
pub(crate) fn put(
    config: &Config,
    name: &str,
    dry_run: bool,
    entry: impl Fn(Option<&Entry>) -> Result<Entry>,
) -> Result<bool> {
    let edit = |text: &str| -> Result<String> {
        let unreadable = |problem: crate::host::entry::Unreadable| Failure::ForeignFile {
            path: config.path.clone(),
            problem: problem.to_string(),
        };
        let present = match config.find(text, name).map_err(unreadable)? {
            Found::Entry { entry, .. } if entry.is_ours() => Some(entry),
            Found::Entry { .. } | Found::Foreign(_) => return Err(taken(config, name).into()),
            Found::Nothing | Found::Malformed(_) => None,
        };
        let entry = entry(present.as_ref())?;
        if present.as_ref() == Some(&entry) {
            return Ok(text.to_owned());
        }
        Ok(config.with_entry(text, name, &entry).map_err(unreadable)?)
    };
    if dry_run {
        let text = write::read(&config.path)?.unwrap_or_default();
        return Ok(edit(&text)? != text);
    }
    write::replace(&config.path, edit)
}

fn taken(config: &Config, name: &str) -> Failure {
    Failure::Usage {
        code: ErrorCode::NameTaken,
        message: format!("`{}` has another server `{name}`", config.path.display()),
        hint: Some("choose another name with `--name`, or remove that entry".to_owned()),
    }
}

/// Lines for people: one for each host, and its problems.
pub(crate) fn text(report: &HostReport) -> String {
    let mut text = String::new();
    for state in &report.hosts {
        let status = match state.status {
            HostStatus::Connected => "connected",
            HostStatus::Missing => "missing",
            HostStatus::Stale => "stale",
            HostStatus::Broken => "broken",
        };
        let path = one_line(&state.config_path.display().to_string());
        text.push_str(&format!("{:14}  {status:9}  {path}\n", state.host));
        // That one of many hosts is not connected says itself.
        if state.status != HostStatus::Missing {
            for problem in &state.problems {
                text.push_str(&format!("  {}\n", one_line(problem)));
            }
        }
        if matches!(state.status, HostStatus::Stale) {
            text.push_str(&format!("  fix: pyro host repair {}\n", state.host));
        }
    }
    text
}

/// What became of one file.
pub(crate) fn outcome(report: &HostReport, dry_run: bool, next_step: &str) -> String {
    let path = report
        .hosts
        .first()
        .map(|state| state.config_path.display().to_string());
    let path = one_line(&path.unwrap_or_default());
    match (report.changed, dry_run) {
        (true, true) => format!("would change {path}\n"),
        (true, false) => format!("changed {path}\nnext: {next_step}\n"),
        (false, _) => format!("{path} is right already; nothing changed\n"),
    }
}
