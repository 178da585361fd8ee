//! Profiles: fixed sets of tools, each with instructions of its own.

use std::fmt;
use std::str::FromStr;

use pyro::argument::InvalidArgument;

use crate::tool::{self, Defaults, Tool};

/// A fixed set of tools. Chosen when the server starts, never changed while it runs. One that is more has all tools of
/// those that are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// One-shot runs only: the tool `vm_run`.
    VmRun,
    /// And workspaces: their life, their commands, their files.
    WorkspaceCore,
    /// Every tool, with every parameter.
    #[default]
    WorkspaceFull,
}

const EVERY: &[Profile] = Profile::ALL;
const FULL: &[Profile] = &[Profile::WorkspaceFull];
const WORKSPACES: &[Profile] = &[Profile::WorkspaceCore, Profile::WorkspaceFull];

/// Every tool and the profiles that have it, in the order of the names.
const TOOLS: &[(&dyn Tool, &[Profile])] = &[
    (&tool::VmCreate, FULL),
    (&tool::VmDelete, FULL),
    (&tool::VmExec, FULL),
    (&tool::VmListEnvironments, FULL),
    (&tool::VmNetworkInfo, FULL),
    (&tool::VmReapExpired, FULL),
    (&tool::VmRun, EVERY),
    (&tool::VmStart, FULL),
    (&tool::VmStatus, FULL),
    (&tool::VmStop, FULL),
    (&tool::Create, WORKSPACES),
    (&tool::Delete, WORKSPACES),
    (&tool::Diff, WORKSPACES),
    (&tool::Exec, WORKSPACES),
    (&tool::Export, WORKSPACES),
    (&tool::FileList, WORKSPACES),
    (&tool::FileRead, WORKSPACES),
    (&tool::FileWrite, WORKSPACES),
    (&tool::List, WORKSPACES),
    (&tool::Logs, WORKSPACES),
    (&tool::PatchApply, WORKSPACES),
    (&tool::Reset, WORKSPACES),
    (&tool::Start, FULL),
    (&tool::Status, WORKSPACES),
    (&tool::Stop, FULL),
    (&tool::SyncPush, WORKSPACES),
    (&tool::Update, WORKSPACES),
];

/// The tools of a profile, in the order of their names.
pub(crate) fn tools_of(profile: Profile) -> impl Iterator<Item = &'static dyn Tool> {
    TOOLS
        .iter()
        .filter(move |(_, profiles)| profiles.contains(&profile))
        .map(|(tool, _)| *tool)
}

impl Profile {
    /// Every profile.
    pub const ALL: &[Self] = &[Self::VmRun, Self::WorkspaceCore, Self::WorkspaceFull];

    /// The name as the command line spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VmRun => "vm-run",
            Self::WorkspaceCore => "workspace-core",
            Self::WorkspaceFull => "workspace-full",
        }
    }

    /// Whether it has more than what every profile has.
    pub(crate) fn is_full(self) -> bool {
        self == Self::WorkspaceFull
    }

    /// What a client is told about the server as a whole. The first 200 characters stand alone, for hosts cut the rest.
    pub(crate) fn instructions(self, defaults: &Defaults) -> String {
        let Defaults {
            environment,
            has_project,
            ..
        } = defaults;
        match self {
            Self::VmRun => format!(
                "pyro runs commands in throwaway Linux VMs, apart from this host. Call vm_run with a command: each call \
                 gets a fresh VM that is deleted afterwards. No file or process outlives its command.\n\
                 So put all steps of a job into one command (a && b). The VM sees no host files and has no network; \
                 pick an environment that brings the tools (default {environment}). \
                 A non-zero exit code is a normal result. Raise timeout_seconds for slow commands; wait by vm_id for one that \
                 still runs."
            ),
            Self::WorkspaceCore | Self::WorkspaceFull => {
                let ahead = match self {
                    Self::WorkspaceFull => "; vm_create makes one ahead of its vm_exec",
                    _ => "",
                };
                let seed = match has_project {
                    true => "/workspace starts from the user's project, unless seed_path or empty is given.",
                    false => "seed_path brings a host directory to /workspace.",
                };
                format!(
                    "pyro keeps Linux VM workspaces, apart from this host. Call workspace_create first, then workspace_exec. \
                 A workspace, its files and processes outlive calls, until workspace_delete.\n\
                 {seed} Edit by workspace_patch_apply or workspace_file_write; \
                 workspace_diff shows all changes, workspace_export takes results out, workspace_reset starts over. \
                 No network: pick an environment that brings the tools (default {environment}). \
                 vm_run is for one throwaway command{ahead}. A non-zero exit code is a normal result."
                )
            }
        }
    }
}

impl FromStr for Profile {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, InvalidArgument> {
        let known = Self::ALL.iter().copied().find(|profile| profile.as_str() == text);
        known.ok_or_else(|| InvalidArgument::Malformed {
            name: "profile",
            problem: "must be vm-run, workspace-core or workspace-full",
            given: text.to_owned(),
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_profile_is_refused_with_all_that_are() {
        for profile in Profile::ALL {
            assert_eq!(profile.as_str().parse(), Ok(*profile));
        }
        for absent in ["workspace", "core", "VM-RUN", ""] {
            let message = absent.parse::<Profile>().unwrap_err().to_string();
            assert!(
                Profile::ALL.iter().all(|known| message.contains(known.as_str())),
                "{message}"
            );
        }
    }

    fn defaults(profile: Profile, has_project: bool) -> Defaults {
        Defaults {
            profile,
            environment: pyro::DEFAULT_ENVIRONMENT.to_owned(),
            host_memory_mib: 1024,
            has_project,
            allow_host_compat: false,
        }
    }

    /// What a server of a profile says, without a project and with one.
    fn instructions(profile: Profile) -> [String; 2] {
        [false, true].map(|has_project| profile.instructions(&defaults(profile, has_project)))
    }

    #[test]
    fn instructions_fit_and_begin_with_what_matters() {
        for (profile, text) in Profile::ALL
            .iter()
            .flat_map(|profile| instructions(*profile).map(|text| (profile, text)))
        {
            let tokens = bpe_openai::o200k_base().count(&text);
            println!("{profile}: instructions have {tokens} tokens");
            assert!(tokens <= 150, "{profile}: {tokens} tokens");
            let first = text.lines().next().unwrap();
            assert!(first.chars().count() <= 200, "{profile}: {first}");
            assert!(first.ends_with('.'));
        }
    }

    #[test]
    fn the_instructions_of_vm_run_name_no_workspace_tool() {
        for text in instructions(Profile::VmRun) {
            for word in ["workspace", "snapshot", "shell_", "service"] {
                assert!(!text.contains(word), "{word}");
            }
            assert!(text.lines().next().unwrap().contains("vm_run"));
        }
    }

    #[test]
    fn the_instructions_for_workspaces_name_the_first_tool_and_only_tools_that_are_there() {
        for (profile, text) in WORKSPACES
            .iter()
            .flat_map(|profile| instructions(*profile).map(|text| (profile, text)))
        {
            assert!(text.lines().next().unwrap().contains("workspace_create"));
            let known: Vec<_> = tools_of(*profile).map(Tool::name).collect();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("workspace_") || word.starts_with("vm_")) {
                assert!(known.contains(&word), "{word}");
            }
            assert_eq!(text.contains("vm_create"), profile.is_full());
        }
    }

    #[test]
    fn a_model_is_told_of_the_project_where_there_is_one() {
        for profile in WORKSPACES {
            let [without, with] = instructions(*profile);
            assert!(with.contains("project") && with.contains("empty"), "{with}");
            assert!(!without.contains("project"), "{without}");
        }
    }
}
