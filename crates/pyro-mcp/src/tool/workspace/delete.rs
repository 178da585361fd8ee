//! `workspace_delete`: the end of a workspace.

use crate::arguments::Arguments;
use crate::render::write_deletion;
use crate::schema::output_schema;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The tool `workspace_delete`.
#[derive(Debug)]
pub(crate) struct Delete;

impl Tool for Delete {
    fn name(&self) -> &'static str {
        "workspace_delete"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Delete a workspace",
            description: "Delete a workspace and its files.".to_owned(),
            parameters: vec![common::workspace_id()],
            hints: Hints::Destructive,
            payload: Payload::Record,
            output_schema: output_schema(&[("workspace_id", "string"), ("deleted", "boolean")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            // Not dropped with its call: half a deletion is of use to nobody.
            let deletion = call.workspace(&arguments)?.delete().await?;
            Ok(Answer::record(object(&deletion), write_deletion))
        })
    }
}
