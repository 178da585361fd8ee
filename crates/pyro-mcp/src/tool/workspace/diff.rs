//! `workspace_diff`: what differs from the state after creation.

use pyro::{DiffRequest, TreePath};

use crate::arguments::Arguments;
use crate::render::write_diff;
use crate::resource::{Address, Part, link};
use crate::schema::{Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The most characters of a patch for one file.
pub(in crate::tool) const FILE_CHARS: usize = 20_000;

/// The most characters of a whole patch unless it is said otherwise.
pub(in crate::tool) const TOTAL_CHARS: usize = 60_000;

/// The tool `workspace_diff`.
#[derive(Debug)]
pub(crate) struct Diff;

impl Tool for Diff {
    fn name(&self) -> &'static str {
        "workspace_diff"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Show changes",
            description: "Changes since creation as a Git patch.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                common::baseline("from_snapshot"),
                Parameter::verbatim("path", "Only below"),
                Parameter::flag("stat", "No patch"),
                Parameter::flag("binary", "Binary too"),
                Parameter::flag("include_ignored", "Ignored too"),
                common::max_output_chars("Patch", 60_000),
            ],
            hints: Hints::ReadOnly,
            payload: Payload::Text,
            output_schema: output_schema(&[
                ("workspace_id", "string"),
                ("from_snapshot", "string"),
                ("changed", "boolean"),
                ("truncated", "boolean"),
                ("summary", "object"),
                ("ignored", "object"),
                ("entries", "array"),
                ("patch", "string"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(diff(call, arguments))
    }
}

async fn diff(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    common::only_baseline(&arguments, "from_snapshot")?;
    let mut request = DiffRequest::default();
    if let Some(path) = arguments.optional_text("path") {
        request.path = TreePath::parse_given(path)?;
    }
    request.stat = arguments.flag("stat");
    request.binary = arguments.flag("binary");
    request.include_ignored = arguments.flag("include_ignored");
    request.file_characters = Some(FILE_CHARS);
    request.total_characters = Some(common::max_chars(&arguments));
    let workspace = call.workspace(&arguments)?;
    let diff = call.ending.unless_asked(workspace.diff(&request)).await?;
    let links = match diff.truncated {
        true => vec![link(&Address::Workspace(diff.workspace_id.into(), Part::Diff))],
        false => Vec::new(),
    };
    let diff = object(&diff);
    let text = write_diff(&diff);
    let structured = call.where_asked_for(|| diff);
    Ok(Answer {
        text,
        structured,
        links,
        goes_on: None,
    })
}
