//! `workspace_file_list`: what is in a directory.

use pyro::{ListFilesRequest, TreePath};

use super::TREE;
use crate::arguments::Arguments;
use crate::render::write_file_list;
use crate::schema::{Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The tool `workspace_file_list`.
#[derive(Debug)]
pub(crate) struct FileList;

impl Tool for FileList {
    fn name(&self) -> &'static str {
        "workspace_file_list"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "List files",
            description: "List a directory.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::verbatim_or("path", "Directory", TREE),
                Parameter::flag("recursive", "Whole tree"),
                Parameter::integer("limit", "Page size", 1..=10_000, 1000),
                Parameter::text("page", "next_page"),
            ],
            hints: Hints::ReadOnly,
            payload: Payload::Record,
            output_schema: output_schema(&[("count", "integer"), ("entries", "array")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(list(call, arguments))
    }
}

async fn list(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let mut request = ListFilesRequest::default();
    request.path = TreePath::parse_given(arguments.text("path"))?;
    request.recursive = arguments.flag("recursive");
    request.limit = Some(arguments.integer("limit"));
    request.page = arguments.optional_text("page").map(str::to_owned);
    let workspace = call.workspace(&arguments)?;
    let list = call.ending.unless_asked(workspace.list_files(&request)).await?;
    Ok(Answer::record(object(&list), write_file_list))
}
