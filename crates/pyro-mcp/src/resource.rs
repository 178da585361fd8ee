//! Resources: what results had to leave out, by addresses of its own.
//!
//! Each template belongs to a tool that gives the same, and is there only where that tool is. None is listed by itself: a
//! list would be of all workspaces, and would vary.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pyro::object::StreamInfo;
use pyro::{
    DiffRequest, Error, ErrorCode, FileEncoding, LogStream, LogsRequest, Pyro, ReadFileRequest, TreePath,
    Workspace, WorkspaceRef,
};
use rmcp::ErrorData;
use rmcp::model::{ContentBlock, Resource, ResourceContents, ResourceTemplate};
use serde_json::json;

use crate::words::Words;

/// How every address of a resource begins.
const SCHEME: &str = "pyro://workspaces/";

/// The most of a file, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// The templates: the tool that gives the same, what comes after the workspace, its name, and what it is.
const TEMPLATES: [(&str, &str, &str, &str); 3] = [
    (
        "workspace_logs",
        "commands/{sequence}/{stream}",
        "command output",
        "Stored output of a command; stream is stdout or stderr",
    ),
    (
        "workspace_diff",
        "diff",
        "changes",
        "The whole patch against the baseline",
    ),
    (
        "workspace_file_read",
        "files/{+path}",
        "file",
        "A file; its first MiB if it has more",
    ),
];

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

/// The templates of a server with these tools.
pub(crate) fn templates(has_tool: impl Fn(&str) -> bool) -> Vec<ResourceTemplate> {
    let offered = TEMPLATES.iter().filter(|(tool, ..)| has_tool(tool));
    offered
        .map(|(_, rest, name, description)| {
            ResourceTemplate::new(format!("{SCHEME}{{workspace_id}}/{rest}"), *name)
                .with_description(*description)
        })
        .collect()
}

/// A link to what a result left out, for its content.
pub(crate) fn link(workspace: impl fmt::Display, part: &Part) -> ContentBlock {
    let name = match part {
        Part::Output { sequence, stream } => format!("{} of command {sequence}", stream_name(*stream)),
        Part::Diff => "the whole patch".to_owned(),
        Part::File(path) => String::from_utf8_lossy(path).into_owned(),
    };
    ContentBlock::resource_link(Resource::new(format!("{SCHEME}{workspace}/{part}"), name))
}

/// Links to the streams of a command of which not all was shown.
pub(crate) fn links_to_output(
    workspace: impl fmt::Display + Copy,
    sequence: u64,
    streams: [(LogStream, &str, &StreamInfo); 2],
    max_chars: usize,
) -> Vec<ContentBlock> {
    let is_cut = |text: &str, info: &StreamInfo| info.truncated || text.chars().nth(max_chars).is_some();
    let cut = streams.into_iter().filter(|(_, text, info)| is_cut(text, info));
    cut.map(|(stream, ..)| link(workspace, &Part::Output { sequence, stream }))
        .collect()
}

impl Part {
    /// The tool that gives the same.
    fn tool(&self) -> &'static str {
        match self {
            Self::Output { .. } => "workspace_logs",
            Self::Diff => "workspace_diff",
            Self::File(_) => "workspace_file_read",
        }
    }

    fn parse(rest: &str) -> Option<Self> {
        match rest.split_once('/') {
            None if rest == "diff" => Some(Self::Diff),
            Some(("files", path)) => Some(Self::File(decoded(path)?)),
            Some(("commands", rest)) => {
                let (sequence, stream) = rest.split_once('/')?;
                let stream = [LogStream::Stdout, LogStream::Stderr]
                    .into_iter()
                    .find(|known| stream_name(*known) == stream)?;
                let sequence = sequence.parse().ok()?;
                Some(Self::Output { sequence, stream })
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

fn stream_name(stream: LogStream) -> &'static str {
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

/// Reads a resource.
///
/// # Errors
/// What the protocol has for a resource that is not there, and for one that cannot be read.
pub(crate) async fn read(
    pyro: &Pyro,
    words: &Words,
    uri: &str,
    has_tool: impl Fn(&str) -> bool,
) -> Result<ResourceContents, ErrorData> {
    let absent = |message: String| ErrorData::resource_not_found(message, Some(json!({"uri": uri})));
    let found = uri.strip_prefix(SCHEME).and_then(|rest| {
        let (workspace, rest) = rest.split_once('/')?;
        let workspace: WorkspaceRef = workspace.parse().ok()?;
        Some((workspace, Part::parse(rest)?))
    });
    let Some((workspace, part)) = found.filter(|(_, part)| has_tool(part.tool())) else {
        return Err(absent("no such resource; see the templates".to_owned()));
    };
    let content = async { content(&pyro.workspace(&workspace)?, &part, uri).await };
    content.await.map_err(|error: Error| {
        let message = format!(
            "error {}: {}",
            error.code(),
            words.without_places(&error.message())
        );
        match error.code() {
            ErrorCode::WorkspaceNotFound | ErrorCode::ItemNotFound | ErrorCode::PathNotFound => {
                absent(message)
            }
            _ => ErrorData::invalid_params(message, None),
        }
    })
}

async fn content(workspace: &Workspace, part: &Part, uri: &str) -> pyro::Result<ResourceContents> {
    match part {
        Part::Output { sequence, stream } => {
            let mut request = LogsRequest::default();
            request.sequence = Some(*sequence);
            request.stream = *stream;
            let logs = workspace.logs(&request)?;
            let text = logs.entries.into_iter().next().map(|entry| match stream {
                LogStream::Stderr => entry.stderr,
                LogStream::Stdout | LogStream::Both => entry.stdout,
            });
            Ok(ResourceContents::text(text.unwrap_or_default(), uri).with_mime_type("text/plain"))
        }
        Part::Diff => {
            let mut request = DiffRequest::default();
            request.binary = true;
            let diff = workspace.diff(&request).await?;
            Ok(ResourceContents::text(diff.patch, uri).with_mime_type("text/x-patch"))
        }
        Part::File(path) => {
            let path = TreePath::parse_given(path)?;
            let mut request = ReadFileRequest::new(path);
            request.max_bytes = FILE_BYTES;
            request.encoding = FileEncoding::Base64;
            let read = workspace.read_file(&request).await?;
            Ok(match STANDARD.decode(&read.content).map(String::from_utf8) {
                Ok(Ok(text)) => ResourceContents::text(text, uri).with_mime_type("text/plain"),
                _ => ResourceContents::blob(read.content, uri).with_mime_type("application/octet-stream"),
            })
        }
    }
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
            assert_eq!(part.to_string(), text);
            assert_eq!(Part::parse(text), Some(part));
        }
        for other in [
            "",
            "diff/",
            "commands/x/stdout",
            "commands/1/both",
            "commands/1",
            "files/%2",
            "x/y",
        ] {
            assert_eq!(Part::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_template_is_there_with_the_tool_that_gives_the_same() {
        let uris = |tools: &[&str]| -> Vec<_> {
            let found = templates(|tool| tools.contains(&tool)).into_iter();
            found.map(|template| template.uri_template).collect()
        };
        assert_eq!(uris(&["vm_run"]), [""; 0]);
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
