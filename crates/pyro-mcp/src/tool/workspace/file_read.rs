//! `workspace_file_read`: a part of a file.

use pyro::{FileEncoding, FileRange, ReadFileRequest, TreePath};

use crate::arguments::Arguments;
use crate::render::write_file_read;
use crate::resource::{Address, Part, link};
use crate::schema::{Kind, Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The most bytes of one call.
const MOST_BYTES: u64 = 1 << 20;

/// The tool `workspace_file_read`.
#[derive(Debug)]
pub(crate) struct FileRead;

impl Tool for FileRead {
    fn name(&self) -> &'static str {
        "workspace_file_read"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        let path = Kind::Verbatim {
            max_bytes: None,
            default: None,
        };
        Definition {
            title: "Read a file",
            description: "Read a file.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::new("path", "File", path).required(),
                Parameter::integer("max_bytes", "At most", 1..=MOST_BYTES, 65_536),
                Parameter::integer("offset", "First byte", 0..=u64::MAX, 0),
                Parameter::number("start_line", "First line", 1..=u64::MAX),
                Parameter::number("line_count", "Lines", 1..=u64::MAX),
                Parameter::choice(
                    "encoding",
                    "Of result",
                    &["auto", "utf-8", "base64"],
                    Some("auto"),
                ),
            ],
            hints: Hints::ReadOnly,
            payload: Payload::Text,
            output_schema: output_schema(&[
                ("workspace_id", "string"),
                ("path", "string"),
                ("size_bytes", "integer"),
                ("offset", "integer"),
                ("content", "string"),
                ("encoding", "string"),
                ("truncated", "boolean"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(read(call, arguments))
    }
}

async fn read(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let mut request = ReadFileRequest::new(TreePath::parse_given(arguments.text("path"))?);
    request.range = range(&arguments)?;
    request.max_bytes = arguments.integer("max_bytes");
    request.encoding = match arguments.text("encoding") {
        "utf-8" => FileEncoding::Utf8,
        "base64" => FileEncoding::Base64,
        _ => FileEncoding::Auto,
    };
    let workspace = call.workspace(&arguments)?;
    let read = call.ending.unless_asked(workspace.read_file(&request)).await?;
    let links = match read.truncated {
        true => {
            let file = Part::File(request.path.as_bytes().to_vec());
            vec![link(&Address::Workspace(read.workspace_id.into(), file))]
        }
        false => Vec::new(),
    };
    let read = object(&read);
    let text = write_file_read(&read);
    let structured = call.where_asked_for(|| read);
    Ok(Answer {
        text,
        structured,
        links,
        goes_on: None,
    })
}

/// Lines if any of their parameters is given, else bytes.
fn range(arguments: &Arguments) -> pyro::Result<FileRange> {
    let offset = arguments.integer("offset");
    let start = arguments.optional_integer("start_line");
    let count = arguments.optional_integer("line_count");
    if start.is_none() && count.is_none() {
        return Ok(FileRange::Bytes { offset });
    }
    common::not_both("offset", "cannot be given with lines", offset > 0)?;
    let start = start.unwrap_or(1);
    Ok(FileRange::Lines { start, count })
}
