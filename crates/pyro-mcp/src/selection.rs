//! Which tools of its profile a server has, where its operator wants fewer.

use pyro::{DEFAULT_ENVIRONMENT, Diagnosis, ErrorCode};

use crate::profile::{Profile, tools_of};
use crate::tool::{Defaults, Hints};

/// How alike an unknown name and a known one must be to be called near.
const NEAR: f64 = 0.8;

/// A choice among the tools of a profile; all of them by default. It can only leave some out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that there are; all if none is named.
    only: Vec<String>,
    /// Those that there are not.
    without: Vec<String>,
    /// Whether those are left out that change something.
    read_only: bool,
}

/// A choice that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// The profile has no such tool.
    #[error("{profile} has no tool `{name}`")]
    Unknown {
        /// The profile.
        profile: Profile,
        /// What was named.
        name: String,
    },
    /// Nothing remains.
    #[error("no tool of {profile} is left")]
    Empty {
        /// The profile.
        profile: Profile,
    },
}

impl Diagnosis for SelectionError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        let names = |profile: &Profile| tools_of(*profile).map(|tool| tool.name()).collect::<Vec<_>>();
        match self {
            Self::Unknown { profile, name } => {
                let known = names(profile);
                let near = known
                    .iter()
                    .map(|known| (strsim::jaro_winkler(name, known), known))
                    .filter(|(likeness, _)| *likeness >= NEAR)
                    .max_by(|(one, _), (other, _)| one.total_cmp(other))
                    .map(|(_, near)| format!("did you mean `{near}`? "));
                Some(format!("{}known: {}", near.unwrap_or_default(), known.join(", ")))
            }
            Self::Empty { .. } => Some("leave fewer of them out".to_owned()),
        }
    }
}

impl Selection {
    /// Chooses these tools of a profile, all if none is named, but not those `without`, and if `read_only` none that changes
    /// anything.
    ///
    /// # Errors
    /// [`SelectionError`] if a name is none of the profile's, or no tool is left.
    pub fn new(
        profile: Profile,
        only: Vec<String>,
        without: Vec<String>,
        read_only: bool,
    ) -> Result<Self, SelectionError> {
        for name in only.iter().chain(&without) {
            if !tools_of(profile).any(|tool| tool.name() == name) {
                let name = name.chars().take(64).collect();
                return Err(SelectionError::Unknown { profile, name });
            }
        }
        let selection = Self {
            only,
            without,
            read_only,
        };
        let defaults = Defaults {
            profile,
            environment: DEFAULT_ENVIRONMENT.to_owned(),
            host_memory_mib: 0,
            has_project: false,
            allow_host_compat: false,
        };
        if !tools_of(profile).any(|tool| selection.has(tool.name(), tool.definition(&defaults).hints)) {
            return Err(SelectionError::Empty { profile });
        }
        Ok(selection)
    }

    /// Whether a tool is among those that were chosen.
    pub(crate) fn has(&self, name: &str, hints: Hints) -> bool {
        let is_named = |names: &[String]| names.iter().any(|one| one == name);
        (self.only.is_empty() || is_named(&self.only))
            && !is_named(&self.without)
            && (!self.read_only || hints.is_read_only())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn chosen(only: &[&str], without: &[&str], read_only: bool) -> Vec<&'static str> {
        let profile = Profile::WorkspaceCore;
        let selection = Selection::new(profile, names(only), names(without), read_only).unwrap();
        let defaults = Defaults {
            profile,
            environment: String::new(),
            host_memory_mib: 0,
            has_project: false,
            allow_host_compat: false,
        };
        tools_of(profile)
            .filter(|tool| selection.has(tool.name(), tool.definition(&defaults).hints))
            .map(|tool| tool.name())
            .collect()
    }

    #[test]
    fn each_way_leaves_some_out() {
        assert_eq!(chosen(&[], &[], false).len(), 16);
        let two = ["workspace_list", "workspace_exec"];
        assert_eq!(chosen(&two, &[], false), ["workspace_exec", "workspace_list"]);
        assert_eq!(chosen(&two, &["workspace_exec"], false), ["workspace_list"]);
        assert_eq!(chosen(&two, &[], true), ["workspace_list"]);
        let reading = chosen(&[], &[], true);
        assert!(reading.contains(&"workspace_diff") && !reading.contains(&"workspace_export"));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is_near() {
        let profile = Profile::VmRun;
        let unknown = Selection::new(profile, names(&["vm_rum"]), Vec::new(), false).unwrap_err();
        assert_eq!(unknown.to_string(), "vm-run has no tool `vm_rum`");
        assert_eq!(unknown.hint().unwrap(), "did you mean `vm_run`? known: vm_run");
        let empty = Selection::new(profile, Vec::new(), names(&["vm_run"]), false).unwrap_err();
        assert_eq!(empty.to_string(), "no tool of vm-run is left");
        Selection::new(profile, Vec::new(), Vec::new(), true).unwrap_err();
    }
}
