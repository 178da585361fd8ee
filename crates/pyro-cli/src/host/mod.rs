//! The chat hosts that pyro can be connected to: where their configuration is, what an entry looks like there, and how a
//! file of somebody else is edited.

pub(crate) mod entry;
pub(crate) mod json;
pub(crate) mod place;
pub(crate) mod serve;
pub(crate) mod table;
pub(crate) mod toml;
pub(crate) mod write;

use std::path::PathBuf;

use self::entry::{Entry, Found, Unreadable};
use self::table::{Format, Host};

/// A configuration file of a host, which need not be there.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Whose it is.
    pub(crate) host: Host,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Config {
    /// What the text says of a server.
    ///
    /// # Errors
    /// If the host could not read the text either.
    pub(crate) fn find(&self, text: &str, name: &str) -> Result<Found, Unreadable> {
        match self.host.format() {
            Format::Json(shape) => json::find(text, shape, name),
            Format::Toml => toml::find(text, name),
        }
    }

    /// The text with an entry for a server; what else is in it stays as it is.
    ///
    /// # Errors
    /// If the host could not read the text either.
    pub(crate) fn with_entry(&self, text: &str, name: &str, entry: &Entry) -> Result<String, Unreadable> {
        match self.host.format() {
            Format::Json(shape) => json::with_entry(text, shape, name, entry),
            Format::Toml => toml::with_entry(text, name, entry),
        }
    }
}
