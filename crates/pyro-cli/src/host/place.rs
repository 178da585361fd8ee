//! Which configuration file is meant, and which program it has to name.

use std::path::{Path, PathBuf};

use pyro::Result;

use super::Config;
use super::entry::Found;
use super::table::Host;
use super::write;
use crate::failure::Failure;

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The user's, for all projects.
    User,
    /// That of the project around the working directory.
    Project,
}

/// The configuration file of a host.
///
/// Where a host reads more than one, it is the one with the entry, else the last that is there, which wins.
///
/// # Errors
/// If the host has no configuration of projects, or there is no home or working directory.
pub(crate) fn config(host: Host, scope: Scope, name: &str) -> Result<Config> {
    let files = match scope {
        Scope::User => {
            let home = std::env::home_dir().filter(|home| home.is_absolute());
            let home = home.ok_or_else(|| Failure::invalid("there is no home directory", "set HOME"))?;
            host.user_files(&home, variable)
        }
        Scope::Project => host.project_files(&project_root()?).ok_or_else(|| {
            Failure::invalid(
                format!("{} has no configuration of projects", host.name()),
                "leave out `--scope project`",
            )
        })?,
    };
    let configs = files.into_iter().map(|path| Config { host, path });
    let mut there: Vec<Config> = configs.collect();
    let first = there.first().cloned();
    there.retain(|config| config.path.exists());
    let has_entry = |config: &&Config| {
        let text = write::read(&config.path).ok().flatten();
        let found = text.and_then(|text| config.find(&text, name).ok());
        found.is_some_and(|found| found != Found::Nothing)
    };
    let chosen = there
        .iter()
        .rev()
        .find(has_entry)
        .or_else(|| there.last())
        .cloned();
    chosen.or(first).ok_or_else(|| {
        let message = format!("{} has no configuration file", host.name());
        Failure::invalid(message, "name another host").into()
    })
}

/// The directory that an absolute path in a variable names; anything else counts as not set.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).map(PathBuf::from);
    value.filter(|path| path.is_absolute())
}

/// The nearest directory above that Git knows, else the working directory.
fn project_root() -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(Failure::host("there is no working directory"))?;
    let root = here.ancestors().find(|dir| dir.join(".git").exists());
    Ok(root.unwrap_or(&here).to_owned())
}

/// The absolute path by which hosts should start this program: a link in PATH that leads to it, because that stays
/// right when a new version takes its place, else where it is.
///
/// # Errors
/// If it cannot be found out, or is not text, as configuration files are.
pub(crate) fn this_program() -> Result<String> {
    let exe = std::env::current_exe().map_err(Failure::host("cannot find out where this program is"))?;
    let exe = exe.canonicalize().unwrap_or(exe);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let link = std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("pyro"))
        .find(|link| leads_to(link, &exe));
    let chosen = link.unwrap_or(exe);
    chosen.into_os_string().into_string().map_err(|path| {
        let message = format!("the path of this program is not text: {}", path.display());
        Failure::invalid(message, "install pyro in a directory whose name is UTF-8").into()
    })
}

/// Whether a path is that of a program, be it over links.
pub(crate) fn leads_to(path: &Path, program: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| path == program)
}

/// The program that a command names: a path, or a name that is looked up in PATH.
pub(crate) fn program(command: &str) -> Option<PathBuf> {
    if command.contains('/') {
        return Some(PathBuf::from(command));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(command))
        .find(|path| path.is_file())
}
