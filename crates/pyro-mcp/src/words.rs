//! What the library says, in a client's words: tools for commands, parameters for flags, and no places of the host.

use std::path::Path;

use pyro::Settings;

#[cfg(test)]
use crate::profile::{Profile, tools_of};

/// Flags of the command line, each with the parameter that is the same.
const FLAGS: [(&str, &str); 8] = [
    ("--mem-mib", "mem_mib"),
    ("--vcpu-count", "vcpu_count"),
    ("--disk-gib", "disk_gib"),
    ("--timeout-seconds", "timeout_seconds"),
    ("--max-bytes", "max_bytes"),
    // Only by themselves: they are also the ends of commands that are no tools.
    ("`--force`", "`force`"),
    ("`--delete`", "`delete`"),
    ("`--dest`", "`dest`"),
];

/// Sentences about the command line, each with what a client can do instead.
const SENTENCES: [(&str, &str); 3] = [
    (
        "use a name of `pyro env list`",
        "use a name that the description of vm_run gives",
    ),
    (
        "write labels as KEY=VALUE, as in `branch=main`",
        "pass labels as an object, as in {\"branch\": \"main\"}",
    ),
    (
        "send long data through standard input instead",
        "bring long data in by workspace_file_write or workspace_sync_push",
    ),
];

/// How every command about workspaces begins.
const COMMAND: &str = "pyro workspace ";

/// The commands that have two words.
const GROUPS: [&str; 3] = ["file", "patch", "sync"];

/// How the library's texts are put for clients.
#[derive(Debug)]
pub(crate) struct Words {
    /// Places of the host that no client supplied, each with what it is called; the longest first.
    places: Vec<(String, &'static str)>,
    /// The tools that the client has.
    tools: Vec<&'static str>,
}

impl Words {
    /// The words of a server with these settings and tools.
    pub(crate) fn new(settings: &Settings, tools: Vec<&'static str>) -> Self {
        let place = |path: &Path, name| Some((path.to_str()?.to_owned(), name));
        let mut places: Vec<_> = [
            place(&settings.home, "$PYRO_HOME"),
            place(&settings.cache_dir, "$PYRO_CACHE_DIR"),
        ]
        .into_iter()
        .flatten()
        .filter(|(path, _)| path.len() > 1)
        .collect();
        places.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { places, tools }
    }

    #[cfg(test)]
    pub(crate) fn of_profile(settings: &Settings, profile: Profile) -> Self {
        Self::new(settings, tools_of(profile).map(|tool| tool.name()).collect())
    }

    /// Hides where pyro keeps its things.
    pub(crate) fn without_places(&self, text: &str) -> String {
        self.places
            .iter()
            .fold(text.to_owned(), |text, (path, name)| text.replace(path, name))
    }

    /// The next step as a client can take it.
    pub(crate) fn hint(&self, hint: &str) -> String {
        let hint = self.without_places(hint);
        if let Some(command) = hint
            .strip_prefix(COMMAND)
            .filter(|command| command.starts_with("start "))
        {
            return match self.as_tool(command) {
                Some(tool) => format!("somebody stopped it; to go on, start it with `{tool}`"),
                None => format!("somebody stopped it; to go on, `{hint}` has to be run on the host"),
            };
        }
        let mut said = self.with_tools(&hint);
        for (from, to) in FLAGS.iter().chain(&SENTENCES) {
            said = said.replace(from, to);
        }
        said
    }

    /// Replaces commands in backticks by the tools that do the same.
    fn with_tools(&self, hint: &str) -> String {
        let mut said = String::with_capacity(hint.len());
        for (index, part) in hint.split('`').enumerate() {
            if index > 0 {
                said.push('`');
            }
            let is_quoted = index % 2 == 1;
            match part
                .strip_prefix(COMMAND)
                .filter(|_| is_quoted)
                .and_then(|command| self.as_tool(command))
            {
                Some(tool) => said.push_str(&tool),
                None => said.push_str(part),
            }
        }
        said
    }

    /// The tool for a command without its beginning, with the workspace that it names.
    fn as_tool(&self, command: &str) -> Option<String> {
        let mut words = command.split(' ');
        let mut name = format!("workspace_{}", words.next()?);
        if GROUPS.iter().any(|group| name.ends_with(group)) {
            name = format!("{name}_{}", words.next()?);
        }
        if !self.tools.iter().any(|known| *known == name) {
            return None;
        }
        Some(match words.next().filter(|word| !word.starts_with('-')) {
            Some(workspace) => format!("{name} workspace_id={workspace}"),
            None => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(profile: Profile) -> Words {
        Words::of_profile(&Settings::new("/home/u/state", "/home/u/state/cache"), profile)
    }

    #[test]
    fn commands_become_tools_and_flags_parameters() {
        for (hint, said) in [
            (
                "`pyro workspace list` shows 2 others",
                "`workspace_list` shows 2 others",
            ),
            (
                "others are unaffected; `pyro workspace delete 3f2a91c0d4e5` removes it",
                "others are unaffected; `workspace_delete workspace_id=3f2a91c0d4e5` removes it",
            ),
            (
                "see `pyro workspace file list` for what is there",
                "see `workspace_file_list` for what is there",
            ),
            (
                "use `pyro workspace exec` for paths outside",
                "use `workspace_exec` for paths outside",
            ),
            ("lower `--mem-mib`", "lower `mem_mib`"),
            ("add `--force`", "add `force`"),
            ("`pyro env pull x --force`", "`pyro env pull x --force`"),
            ("see `pyro doctor`", "see `pyro doctor`"),
            ("`pyro workspace stop alpha`", "`pyro workspace stop alpha`"),
            (
                "pyro workspace start alpha",
                "somebody stopped it; to go on, `pyro workspace start alpha` has to be run on the host",
            ),
            (
                "write labels as KEY=VALUE, as in `branch=main`",
                "pass labels as an object, as in {\"branch\": \"main\"}",
            ),
        ] {
            assert_eq!(words(Profile::WorkspaceCore).hint(hint), said);
        }
    }

    #[test]
    fn a_stopped_workspace_is_started_by_the_tool_where_there_is_one() {
        for (hint, said) in [
            (
                "pyro workspace start alpha",
                "somebody stopped it; to go on, start it with `workspace_start workspace_id=alpha`",
            ),
            (
                "`pyro workspace stop alpha`",
                "`workspace_stop workspace_id=alpha`",
            ),
            (
                "start it first: `vm_start vm_id=x`",
                "start it first: `vm_start vm_id=x`",
            ),
        ] {
            assert_eq!(words(Profile::WorkspaceFull).hint(hint), said);
        }
    }

    #[test]
    fn places_of_the_host_are_called_by_their_names() {
        let text = "cannot read `/home/u/state/cache/x` or `/home/u/state/workspaces/y`, only `/home/u`";
        assert_eq!(
            words(Profile::VmRun).without_places(text),
            "cannot read `$PYRO_CACHE_DIR/x` or `$PYRO_HOME/workspaces/y`, only `/home/u`"
        );
    }
}
