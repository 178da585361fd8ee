//! Arguments from Python, read by what they are to be.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyro::{Command, Error, Pyro, Resources};
use pythonize::Depythonizer;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Visitor};

use crate::failure::CallError;

/// Reads the arguments of an operation from a dictionary.
///
/// # Errors
/// `invalid-argument`, naming the argument.
pub(crate) fn read<T: DeserializeOwned>(arguments: &Bound<'_, PyAny>) -> Result<T, Error> {
    let mut depythonizer = Depythonizer::from_object(arguments);
    serde_path_to_error::deserialize(&mut depythonizer).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        CallError::argument(&path, problem).into()
    })
}

/// Text for the system, which Python gives as bytes: a path of the host, a word of a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostText(Vec<u8>);

impl HostText {
    pub(crate) fn into_path(self) -> PathBuf {
        self.into_os().into()
    }

    pub(crate) fn into_os(self) -> OsString {
        OsString::from_vec(self.0)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<'de> Deserialize<'de> for HostText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = HostText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text or bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<HostText, E> {
                Ok(HostText(bytes.to_vec()))
            }

            fn visit_str<E>(self, text: &str) -> Result<HostText, E> {
                Ok(HostText(text.as_bytes().to_vec()))
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}

/// The size of a VM.
///
/// # Errors
/// `invalid-argument` for a size out of range.
pub(crate) fn size(
    pyro: &Pyro,
    vcpu_count: u64,
    mem_mib: u64,
    disk_gib: Option<u64>,
) -> Result<Resources, Error> {
    let disk_gib = disk_gib.unwrap_or_else(|| Resources::default().disk_gib().into());
    Ok(Resources::new(
        vcpu_count,
        mem_mib,
        disk_gib,
        pyro.host_memory_mib(),
    )?)
}

/// A command: a shell string, or an argument vector.
///
/// # Errors
/// `invalid-argument` unless it is exactly one of them.
pub(crate) fn command(command: Option<String>, argv: Option<Vec<HostText>>) -> Result<Command, Error> {
    match (command, argv) {
        (Some(text), None) => Ok(Command::Shell(text)),
        (None, Some(words)) => Ok(Command::Argv(words.into_iter().map(HostText::into_os).collect())),
        (Some(_), Some(_)) => Err(CallError::argument("argv", "give `command` or `argv`, not both").into()),
        (None, None) => Err(CallError::argument("command", "give `command` or `argv`").into()),
    }
}

/// The variables of a command.
pub(crate) fn variables(env: Option<BTreeMap<String, HostText>>) -> Vec<(String, OsString)> {
    let env = env.unwrap_or_default().into_iter();
    env.map(|(name, value)| (name, value.into_os())).collect()
}

/// Whole seconds.
pub(crate) fn seconds(given: Option<u64>) -> Option<Duration> {
    given.map(Duration::from_secs)
}
