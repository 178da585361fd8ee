//! The addresses of resources.

use std::fmt;

use pyro::{LogStream, VmId, WorkspaceRef};
use rmcp::model::ResourceTemplate;

/// How the addresses of what is in workspaces begin.
const WORKSPACES: &str = "pyro://workspaces/";

/// How those of one-shot runs begin.
const RUNS: &str = "pyro://runs/";

/// The tools that give what is left of a one-shot run.
const RUN_TOOLS: &[&str] = &["vm_run", "vm_exec"];

/// A kind of resource: the tools of which one gives the same, its addresses, its name, and what it is.
type Template = (&'static [&'static str], &'static str, &'static str, &'static str);

/// Every kind.
const TEMPLATES: [Template; 5] = [
    (
        &["workspace_logs"],
        "pyro://workspaces/{workspace_id}/commands/{sequence}/{stream}",
        "command output",
        "Stored output of a command; stream is stdout or stderr",
    ),
    (
        &["workspace_diff"],
        "pyro://workspaces/{workspace_id}/diff",
        "changes",
        "The whole patch against the baseline",
    ),
    (
        &["workspace_file_read"],
        "pyro://workspaces/{workspace_id}/files/{+path}",
        "file",
        "A file; of a longer one the first MiB, with a note of that",
    ),
    (
        RUN_TOOLS,
        "pyro://runs/{vm_id}/{stream}",
        "run output",
        "Stored output of a one-shot run, for an hour; stream is stdout or stderr",
    ),
    (
        RUN_TOOLS,
        "pyro://runs/{vm_id}/diff",
        "run changes",
        "The whole patch of a one-shot run that had return_diff, for an hour",
    ),
];

/// The templates of a server with these tools.
pub(crate) fn templates(has_tool: impl Fn(&str) -> bool) -> Vec<ResourceTemplate> {
    let offered = TEMPLATES
        .iter()
        .filter(|(tools, ..)| tools.iter().any(|tool| has_tool(tool)));
    offered
        .map(|(_, uri, name, description)| ResourceTemplate::new(*uri, *name).with_description(*description))
        .collect()
}

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Something in a workspace.
    Workspace(WorkspaceRef, Part),
    /// What is left of a one-shot run.
    Run(VmId, RunPart),
}

/// What an address names in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// What a command printed to one of its streams.
    Output {
        /// Its number.
        sequence: u64,
        /// Which stream.
        stream: LogStream,
    },
    /// All changes.
    Diff,
    /// A file of the live tree.
    File(Vec<u8>),
}

/// What an address names of a one-shot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunPart {
    /// What its command printed to one of its streams.
    Output(LogStream),
    /// What it changed.
    Diff,
}

impl Address {
    /// Reads an address.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        if let Some((run, part)) = uri.strip_prefix(RUNS).and_then(|rest| rest.split_once('/')) {
            let part = match part {
                "diff" => RunPart::Diff,
                stream => RunPart::Output(stream_of(stream)?),
            };
            return Some(Self::Run(run.parse().ok()?, part));
        }
        let (workspace, part) = uri.strip_prefix(WORKSPACES)?.split_once('/')?;
        Some(Self::Workspace(workspace.parse().ok()?, Part::parse(part)?))
    }

    /// The tools of which one gives the same.
    pub(crate) fn tools(&self) -> &'static [&'static str] {
        match self {
            Self::Run(..) => RUN_TOOLS,
            Self::Workspace(_, Part::Output { .. }) => &["workspace_logs"],
            Self::Workspace(_, Part::Diff) => &["workspace_diff"],
            Self::Workspace(_, Part::File(_)) => &["workspace_file_read"],
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(workspace, part) => write!(formatter, "{WORKSPACES}{workspace}/{part}"),
            Self::Run(vm_id, RunPart::Diff) => write!(formatter, "{RUNS}{vm_id}/diff"),
            Self::Run(vm_id, RunPart::Output(stream)) => {
                write!(formatter, "{RUNS}{vm_id}/{}", stream_name(*stream))
            }
        }
    }
}

impl Part {
    fn parse(rest: &str) -> Option<Self> {
        match rest.split_once('/') {
            None if rest == "diff" => Some(Self::Diff),
            Some(("files", path)) => Some(Self::File(decoded(path)?)),
            Some(("commands", rest)) => {
                let (sequence, stream) = rest.split_once('/')?;
                Some(Self::Output {
                    sequence: sequence.parse().ok()?,
                    stream: stream_of(stream)?,
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { sequence, stream } => {
                write!(formatter, "commands/{sequence}/{}", stream_name(*stream))
            }
            Self::Diff => formatter.write_str("diff"),
            Self::File(path) => {
                formatter.write_str("files/")?;
                path.iter().try_for_each(|byte| match byte {
                    // What a reserved expansion leaves as it is (RFC 6570, section 3.2.3), but for what ends a path.
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                        write!(formatter, "{}", char::from(*byte))
                    }
                    byte => write!(formatter, "%{byte:02X}"),
                })
            }
        }
    }
}

fn stream_of(name: &str) -> Option<LogStream> {
    let mut streams = [LogStream::Stdout, LogStream::Stderr].into_iter();
    streams.find(|known| stream_name(*known) == name)
}

/// The name of one stream.
pub(super) fn stream_name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stderr => "stderr",
        LogStream::Stdout | LogStream::Both => "stdout",
    }
}

fn decoded(path: &str) -> Option<Vec<u8>> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_what_it_was_made_from() {
        let stream = LogStream::Stderr;
        for (part, text) in [
            (Part::Output { sequence: 7, stream }, "commands/7/stderr"),
            (Part::Diff, "diff"),
            (Part::File(b"a/b c?\xff%".to_vec()), "files/a/b%20c%3F%FF%25"),
        ] {
            let address = Address::Workspace("alpha".parse().unwrap(), part);
            let text = format!("pyro://workspaces/alpha/{text}");
            assert_eq!(address.to_string(), text);
            assert_eq!(Address::parse(&text), Some(address));
        }
        for (part, text) in [
            (RunPart::Output(LogStream::Stdout), "stdout"),
            (RunPart::Output(stream), "stderr"),
            (RunPart::Diff, "diff"),
        ] {
            let address = Address::Run("3f2a91c0d4e5".parse().unwrap(), part);
            let text = format!("pyro://runs/3f2a91c0d4e5/{text}");
            assert_eq!(address.to_string(), text);
            assert_eq!(Address::parse(&text), Some(address));
        }
        for other in [
            "",
            "pyro://workspaces/a/",
            "pyro://workspaces/a/diff/",
            "pyro://workspaces/a/commands/x/stdout",
            "pyro://workspaces/a/commands/1/both",
            "pyro://workspaces/a/commands/1",
            "pyro://workspaces/a/files/%2",
            "pyro://workspaces/a/x/y",
            "pyro://runs/alpha/stdout",
            "pyro://runs/../3f2a91c0d4e5/stdout",
            "pyro://runs/3f2a91c0d4e5/both",
            "pyro://runs/3f2a91c0d4e5/",
            "pyro://runs/3f2a91c0d4e5",
        ] {
            assert_eq!(Address::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_template_is_there_with_the_tool_that_gives_the_same() {
        let uris = |tools: &[&str]| -> Vec<_> {
            let found = templates(|tool| tools.contains(&tool)).into_iter();
            found.map(|template| template.uri_template).collect()
        };
        assert_eq!(uris(&["workspace_list"]), [""; 0]);
        let of_runs = ["pyro://runs/{vm_id}/{stream}", "pyro://runs/{vm_id}/diff"];
        assert_eq!(uris(&["vm_run"]), of_runs);
        assert_eq!(uris(&["vm_exec"]), of_runs);
        assert_eq!(
            uris(&["workspace_diff", "workspace_file_read", "workspace_logs"]),
            [
                "pyro://workspaces/{workspace_id}/commands/{sequence}/{stream}",
                "pyro://workspaces/{workspace_id}/diff",
                "pyro://workspaces/{workspace_id}/files/{+path}",
            ]
        );
    }
}
