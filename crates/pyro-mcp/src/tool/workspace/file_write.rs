//! `workspace_file_write`: a file is written, whole and at once.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pyro::argument::InvalidArgument;
use pyro::{TreePath, WriteFileRequest};

use crate::arguments::Arguments;
use crate::render::write_file_write;
use crate::schema::{Kind, Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The longest text: 8 MiB in base64. What it stands for has a limit of its own.
const MOST_TEXT_BYTES: usize = (8_usize << 20).div_ceil(3) * 4;

/// The tool `workspace_file_write`.
#[derive(Debug)]
pub(crate) struct FileWrite;

impl Tool for FileWrite {
    fn name(&self) -> &'static str {
        "workspace_file_write"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        let verbatim = |max_bytes| Kind::Verbatim {
            max_bytes,
            default: None,
        };
        Definition {
            title: "Write a file",
            description: "Create or replace a file.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::new("path", "File", verbatim(None)).required(),
                Parameter::new("text", "Content", verbatim(Some(MOST_TEXT_BYTES))).required(),
                Parameter::choice("encoding", "Of text", &["utf-8", "base64"], Some("utf-8")),
                Parameter::flag("append", "Append"),
                Parameter::new("create_parents", "As needed", Kind::Flag { default: Some(true) }),
                Parameter::new("executable", "Mode x", Kind::Flag { default: None }),
            ],
            hints: Hints::Nothing,
            payload: Payload::Record,
            output_schema: output_schema(&[("path", "string"), ("created", "boolean")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(write(call, arguments))
    }
}

async fn write(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let path = TreePath::parse_given(arguments.text("path"))?;
    let mut request = WriteFileRequest::new(path, content(&arguments)?);
    request.append = arguments.flag("append");
    request.create_parents = arguments.flag("create_parents");
    request.executable = arguments.optional_flag("executable");
    let workspace = call.workspace(&arguments)?;
    let written = call.ending.unless_asked(workspace.write_file(&request)).await?;
    Ok(Answer::record(object(&written), write_file_write))
}

fn content(arguments: &Arguments) -> Result<Vec<u8>, InvalidArgument> {
    let text = arguments.text("text");
    if arguments.text("encoding") != "base64" {
        return Ok(text.as_bytes().to_vec());
    }
    // Encoders break lines at their own discretion.
    let text: String = text.split_ascii_whitespace().collect();
    BASE64_STANDARD
        .decode(text)
        .map_err(|_| InvalidArgument::Malformed {
            name: "text",
            problem: "must be base64 (RFC 4648) with that `encoding`",
            given: String::new(),
        })
}
