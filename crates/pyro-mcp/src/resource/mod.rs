//! What results had to leave out, by addresses of its own.
//!
//! Each template belongs to tools that give the same, and is there only where one of them is. None is listed by itself: a
//! list would be of all workspaces and runs, and would vary.

mod address;

use pyro::object::{FileRead, StreamInfo, TextEncoding, VmRun, WorkspaceDiff};
use pyro::{
    BackgroundRuns, Diagnosis, DiffRequest, Error, ErrorCode, FileEncoding, LogStream, LogsRequest, Pyro,
    ReadFileRequest, TreePath, Workspace,
};
use rmcp::ErrorData;
use rmcp::model::{ContentBlock, MetaObject, Resource, ResourceContents};
use serde_json::json;

use self::address::stream_name;
pub(crate) use self::address::{Address, Part, RunPart, templates};
use crate::isolated;
use crate::options::ServerOptions;
use crate::render::grouped;
use crate::words::Words;

/// The most of a file, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// A stream of a command: which, its text, and how complete that is.
pub(crate) type ShownStream<'a> = (LogStream, &'a str, &'a StreamInfo);

/// A link to what a result left out, for its content.
pub(crate) fn link(address: &Address) -> ContentBlock {
    let name = match address {
        Address::Workspace(_, Part::Output { sequence, stream }) => {
            format!("{} of command {sequence}", stream_name(*stream))
        }
        Address::Workspace(_, Part::Diff) => "the whole patch".to_owned(),
        Address::Workspace(_, Part::File(path)) => String::from_utf8_lossy(path).into_owned(),
        Address::Run(vm_id, RunPart::Output(stream)) => {
            format!("{} of the run {vm_id}", stream_name(*stream))
        }
        Address::Run(vm_id, RunPart::Diff) => format!("the whole patch of the run {vm_id}"),
    };
    ContentBlock::resource_link(Resource::new(address.to_string(), name))
}

/// Links to the streams of a command of which not all was shown.
pub(crate) fn links_to_output(
    streams: [ShownStream<'_>; 2],
    max_chars: usize,
    address: impl Fn(LogStream) -> Address,
) -> Vec<ContentBlock> {
    let is_cut = |text: &str, info: &StreamInfo| info.truncated || text.chars().nth(max_chars).is_some();
    let cut = streams.into_iter().filter(|(_, text, info)| is_cut(text, info));
    cut.map(|(stream, ..)| link(&address(stream))).collect()
}

/// A link to a patch of which not all was shown.
pub(crate) fn link_to_patch(diff: Option<&WorkspaceDiff>, address: &Address) -> Option<ContentBlock> {
    diff.filter(|diff| diff.truncated).map(|_| link(address))
}

/// Reads a resource.
///
/// # Errors
/// What the protocol has for a resource that is not there, and for one that cannot be read.
pub(crate) async fn read(
    (pyro, runs, options): (&Pyro, &BackgroundRuns, &ServerOptions),
    words: &Words,
    uri: &str,
    has_tool: impl Fn(&str) -> bool,
) -> Result<Vec<ResourceContents>, ErrorData> {
    let absent = |message: String| ErrorData::resource_not_found(message, Some(json!({"uri": uri})));
    let is_offered = |address: &Address| address.tools().iter().any(|tool| has_tool(tool));
    let Some(address) = Address::parse(uri).filter(is_offered) else {
        return Err(absent("no such resource; see the templates".to_owned()));
    };
    let content = async {
        match &address {
            Address::Workspace(workspace, part) => {
                content(&isolated::workspace(pyro, workspace, options)?, part, uri).await
            }
            Address::Run(vm_id, part) => Ok(vec![of_run(runs.state(vm_id)?, *part, uri)?]),
        }
    };
    let failed = |error: Error| {
        let message = format!(
            "error {}: {}",
            error.code(),
            words.without_places(&error.message())
        );
        match error.code() {
            ErrorCode::WorkspaceNotFound
            | ErrorCode::VmNotFound
            | ErrorCode::ItemNotFound
            | ErrorCode::PathNotFound => absent(message),
            _ => ErrorData::invalid_params(message, None),
        }
    };
    content.await.map_err(failed)
}

/// What a run that ended left, or what it printed until now.
fn of_run(run: VmRun, part: RunPart, uri: &str) -> pyro::Result<ResourceContents> {
    let stream = |stream, stdout, stderr| match stream {
        LogStream::Stderr => plain(stderr, uri),
        LogStream::Stdout | LogStream::Both => plain(stdout, uri),
    };
    Ok(match (run, part) {
        (VmRun::Ended(exec), RunPart::Output(which)) => stream(which, exec.stdout, exec.stderr),
        (VmRun::Running(exec), RunPart::Output(which)) => stream(which, exec.stdout, exec.stderr),
        (run, RunPart::Diff) => {
            let diff = match run {
                VmRun::Ended(exec) => exec.diff,
                VmRun::Running(_) => None,
            };
            let Some(diff) = diff else {
                return Err(NoPatch.into());
            };
            patch(diff.patch, uri)
        }
    })
}

/// A run of which no patch is known.
#[derive(Debug, thiserror::Error)]
#[error("the run has no patch, or none yet")]
struct NoPatch;

impl Diagnosis for NoPatch {
    fn code(&self) -> ErrorCode {
        ErrorCode::ItemNotFound
    }
}

async fn content(workspace: &Workspace, part: &Part, uri: &str) -> pyro::Result<Vec<ResourceContents>> {
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
            Ok(vec![plain(text.unwrap_or_default(), uri)])
        }
        Part::Diff => {
            let mut request = DiffRequest::default();
            request.binary = true;
            let diff = workspace.diff(&request).await?;
            Ok(vec![patch(diff.patch, uri)])
        }
        Part::File(path) => {
            let path = TreePath::parse_given(path)?;
            let mut request = ReadFileRequest::new(path);
            request.max_bytes = FILE_BYTES;
            request.encoding = FileEncoding::Auto;
            Ok(file(workspace.read_file(&request).await?, uri))
        }
    }
}

/// The beginning of a file, and where it goes on: programs are told by the content's metadata, models by a content of its
/// own, so that what there is of the file stays as it is.
fn file(read: FileRead, uri: &str) -> Vec<ResourceContents> {
    let content = match read.encoding {
        TextEncoding::Base64 => {
            ResourceContents::blob(read.content, uri).with_mime_type("application/octet-stream")
        }
        TextEncoding::Utf8 | TextEncoding::Utf8Lossy => plain(read.content, uri),
    };
    let Some(next) = read.next_offset.filter(|_| read.truncated) else {
        return vec![content];
    };
    let mut meta = MetaObject::new();
    meta.insert("truncated".to_owned(), true.into());
    meta.insert("size_bytes".to_owned(), read.size_bytes.into());
    meta.insert("next_offset".to_owned(), next.into());
    let omitted = grouped(read.size_bytes.saturating_sub(next));
    let rest = format!(
        "[… {omitted} bytes omitted; workspace_file_read path={} offset={next} …]",
        read.path
    );
    vec![content.with_meta(meta), plain(rest, uri)]
}

fn plain(text: String, uri: &str) -> ResourceContents {
    ResourceContents::text(text, uri).with_mime_type("text/plain")
}

fn patch(text: String, uri: &str) -> ResourceContents {
    ResourceContents::text(text, uri).with_mime_type("text/x-patch")
}
