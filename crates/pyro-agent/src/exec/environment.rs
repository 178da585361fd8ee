//! The variables of a command.

use std::ffi::{OsStr, OsString};

use bytes::Bytes;
use pyro_proto::message::{Fault, FaultKind};

use super::plan::text;
use super::user::User;
use crate::call::fault;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables in the order in which they were given; each name once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    entries: Vec<(OsString, OsString)>,
}

impl TryFrom<&[Bytes]> for Environment {
    type Error = Fault;

    fn try_from(entries: &[Bytes]) -> Result<Self, Fault> {
        let mut environment = Self::default();
        for entry in entries {
            let separator = entry
                .iter()
                .position(|byte| *byte == b'=')
                .filter(|position| *position > 0);
            let Some(separator) = separator else {
                return Err(fault(
                    FaultKind::InvalidArgument,
                    "a variable is not of the form NAME=value",
                ));
            };
            environment.set(text(&entry[..separator])?, text(&entry[separator + 1..])?);
        }
        Ok(environment)
    }
}

impl Environment {
    /// Adds what programs rely on, where it is not given.
    pub(crate) fn complete(&mut self, user: &User) {
        let defaults: [(&str, &OsStr); 5] = [
            ("HOME", user.home.as_os_str()),
            ("USER", user.name.as_ref()),
            ("PATH", PATH.as_ref()),
            ("LANG", "C.UTF-8".as_ref()),
            ("TERM", "dumb".as_ref()),
        ];
        for (name, value) in defaults {
            self.add(name, value);
        }
    }

    /// Adds a variable, unless it is given.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<OsString>) {
        if !self.entries.iter().any(|(present, _)| present == name) {
            self.entries.push((name.into(), value.into()));
        }
    }

    /// Gives the entries, each as `NAME=value`.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = OsString> {
        self.entries.into_iter().map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        })
    }

    /// Sets a variable, whether it is given or not.
    pub(crate) fn set(&mut self, name: OsString, value: OsString) {
        match self.entries.iter_mut().find(|(present, _)| *present == name) {
            Some((_, present)) => *present = value,
            None => self.entries.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(entries: &[&'static str]) -> Environment {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| Bytes::from_static(entry.as_bytes()))
            .collect();
        Environment::try_from(entries.as_slice()).unwrap()
    }

    fn value<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
        environment
            .entries
            .iter()
            .find(|(present, _)| present == name)?
            .1
            .to_str()
    }

    #[test]
    fn the_later_entry_wins_and_a_value_may_hold_anything() {
        let environment = given(&["A=1", "B=x=y", "A=2", "C="]);
        assert_eq!(value(&environment, "A"), Some("2"));
        assert_eq!(value(&environment, "B"), Some("x=y"));
        assert_eq!(value(&environment, "C"), Some(""));
    }

    #[test]
    fn defaults_fill_gaps_only() {
        let mut environment = given(&["PATH=/opt/bin", "LANG="]);
        environment.complete(&User::root_without_files());
        assert_eq!(value(&environment, "PATH"), Some("/opt/bin"));
        assert_eq!(value(&environment, "LANG"), Some(""));
        assert_eq!(value(&environment, "USER"), Some("root"));
        assert_eq!(value(&environment, "HOME"), Some("/"));
        assert_eq!(value(&environment, "TERM"), Some("dumb"));
    }
}
