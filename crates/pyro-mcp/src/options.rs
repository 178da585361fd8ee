//! What a server is started with; nothing of it changes while the server runs.

use std::path::PathBuf;
use std::str::FromStr;

use pyro::IsolationFloor;
use pyro::argument::InvalidArgument;

use crate::profile::Profile;
use crate::project::Project;
use crate::selection::Selection;

/// What a server is started with.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// The tools on offer.
    pub profile: Profile,
    /// Which of them; all by default.
    pub selection: Selection,
    /// The environment where a call names none; the settings' default if absent.
    pub environment: Option<String>,
    /// The isolation demanded of every VM; the settings' default if absent.
    pub isolation: Option<IsolationFloor>,
    /// Whether calls may have commands run on this host, isolated by nothing, where no VM can run: those that start a VM
    /// then have a parameter for it, which is off.
    pub allow_host_compat: bool,
    /// Which results carry a structured form.
    pub structured: Structured,
    /// Directories of the host from which clients may bring in files, and to which they may bring out some; the roots
    /// that a client announces are allowed besides.
    pub allow_host_paths: Vec<PathBuf>,
    /// What workspaces start from where a call names no seed. A directory is also one from which clients may bring in
    /// files, and to which they may bring out some.
    pub project: Project,
    /// Whether exports may write what host tools run by themselves, such as `.git` and `.vscode`, into directories that are
    /// there.
    pub allow_autorun_paths: bool,
}

impl ServerOptions {
    /// Options for a profile, with the rest at its default.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }
}

/// Which results carry a structured form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Structured {
    /// Those of tools whose payload is not text.
    #[default]
    Auto,
    /// All of them; every tool then declares an output schema.
    All,
}

impl Structured {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Auto, Self::All];

    /// The structured form of a result whose payload is text, if it is wanted.
    pub(crate) fn where_asked_for<T>(self, object: impl FnOnce() -> T) -> Option<T> {
        (self == Self::All).then(object)
    }

    /// The value as the command line spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::All => "all",
        }
    }
}

impl FromStr for Structured {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, InvalidArgument> {
        let known = Self::ALL.iter().copied().find(|value| value.as_str() == text);
        known.ok_or_else(|| InvalidArgument::Malformed {
            name: "structured",
            problem: "must be auto or all",
            given: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back_and_others_are_refused() {
        for value in Structured::ALL {
            assert_eq!(value.as_str().parse(), Ok(*value));
        }
        let refused = "none".parse::<Structured>().unwrap_err();
        assert_eq!(refused.to_string(), "`structured` must be auto or all: `none`");
    }
}
