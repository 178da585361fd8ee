//! The options that the commands share: which host, which entry, and what to start.

use std::path::PathBuf;

use clap::Args;
use pyro::{ErrorCode, Result};
use pyro_mcp::Profile;

use crate::failure::Failure;
use crate::host::Config;
use crate::host::entry::Entry;
use crate::host::place::{self, Scope};
use crate::host::serve;
use crate::host::table::{self, Host};
use crate::host_path;
use crate::project::ProjectOptions;

/// Which entry.
#[derive(Debug, Args)]
pub(crate) struct EntryOptions {
    /// Name of the server in the configuration
    #[arg(long, default_value = "pyro")]
    name: String,

    /// Whose configuration: the user's, or that of the project around the working directory
    #[arg(long, default_value = "user", value_parser = ["user", "project"])]
    scope: String,
}

/// What the host is to start.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Tools on offer
    #[arg(
        long,
        default_value = "workspace-full",
        value_parser = ["vm-run", "workspace-core", "workspace-full"],
    )]
    profile: String,

    /// Let the host bring in files from DIR, and bring out files to it; may be repeated
    #[arg(long, value_name = "DIR")]
    allow_host_path: Vec<PathBuf>,

    #[command(flatten)]
    project: ProjectOptions,
}

/// An entry as it is to be made.
#[derive(Debug, Args)]
pub(crate) struct NewEntry {
    /// The host
    #[arg(value_parser = table::NAMES)]
    host: String,

    #[command(flatten)]
    entry: EntryOptions,

    #[command(flatten)]
    serve: ServeOptions,
}

impl NewEntry {
    /// Where it is to be, under which name, and what it starts.
    ///
    /// # Errors
    /// If the host does not take it, or this pyro would not serve so.
    pub(crate) fn resolve(&self) -> Result<(Config, &str, Entry)> {
        let (config, name) = self.entry.config(host(&self.host)?)?;
        Ok((config, name, self.serve.entry()?))
    }
}

/// The host of an argument that takes the names of hosts alone.
///
/// # Errors
/// For any other name.
pub(crate) fn host(name: &str) -> Result<Host> {
    Host::from_name(name).ok_or_else(|| {
        let message = format!("`HOST` cannot be `{name}`");
        Failure::invalid(message, format!("known: {}", table::NAMES.join(", "))).into()
    })
}

impl EntryOptions {
    /// The configuration of a host, and the name in it.
    ///
    /// # Errors
    /// If the host does not take the name or the scope.
    pub(crate) fn config(&self, host: Host) -> Result<(Config, &str)> {
        let name = self.name_for(host)?;
        Ok((place::config(host, self.scope(), name)?, name))
    }

    /// Whose configuration.
    pub(crate) fn scope(&self) -> Scope {
        if self.scope == "project" {
            Scope::Project
        } else {
            Scope::User
        }
    }

    /// The name, if a host takes it. Names of tools are made from it, within 64 bytes.
    ///
    /// # Errors
    /// If the host keeps it for itself, or it has other characters than names may have.
    fn name_for(&self, host: Host) -> Result<&str> {
        let name = self.name.as_str();
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if name.len() > 32 || !begins || !name.chars().all(is_plain) {
            return Err(Failure::invalid(
                format!("`--name` cannot be `{}`", name.escape_debug()),
                "use 1–32 letters, digits, `-` and `_`, beginning with a letter or digit",
            )
            .into());
        }
        let is_reserved = |reserved: &&&str| reserved.eq_ignore_ascii_case(name);
        match host.reserved().iter().find(is_reserved) {
            Some(_) => Err(Failure::invalid(
                format!("`--name` cannot be `{name}`: {} keeps it for itself", host.name()),
                "leave out `--name`, or choose another one",
            )
            .into()),
            None => Ok(name),
        }
    }
}

impl ServeOptions {
    /// The entry that starts this pyro.
    ///
    /// # Errors
    /// If a directory is not there or is not text, or this pyro would not serve so.
    pub(crate) fn entry(&self) -> Result<Entry> {
        let mut args: Vec<String> = ["mcp", "serve", "--profile", self.profile.as_str()]
            .map(str::to_owned)
            .into();
        for path in &self.allow_host_path {
            let found = host_path::directory("--allow-host-path", path)?;
            let text = host_path::text("--allow-host-path", found)?;
            args.extend(["--allow-host-path".to_owned(), text]);
        }
        args.extend(self.project.words()?);
        match serve::refusal(&args) {
            Some(reason) => Err(Failure::Usage {
                code: ErrorCode::InvalidArgument,
                message: reason,
                hint: Some("see `pyro mcp serve --help`".to_owned()),
            }
            .into()),
            None => Ok(Entry {
                command: place::this_program()?,
                args,
            }),
        }
    }

    /// The entry where nothing was asked for.
    ///
    /// # Errors
    /// If it cannot be found out where this program is.
    pub(crate) fn default_entry() -> Result<Entry> {
        let defaults = Self {
            profile: Profile::default().to_string(),
            allow_host_path: Vec::new(),
            project: ProjectOptions::none(),
        };
        defaults.entry()
    }
}
