//! `workspace_sync_push`: a directory or archive of the host is brought into a workspace.

use std::path::PathBuf;

use pyro::{PushRequest, TreePath};

use super::TREE;
use crate::arguments::Arguments;
use crate::render::write_sync;
use crate::schema::{Kind, Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The tool `workspace_sync_push`.
#[derive(Debug)]
pub(crate) struct SyncPush;

impl Tool for SyncPush {
    fn name(&self) -> &'static str {
        "workspace_sync_push"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        let source = Kind::Text {
            max_bytes: None,
            default: None,
        };
        Definition {
            title: "Push host files into a workspace",
            description: "Copy a host directory or tar in.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::new("source_path", "On host", source).required(),
                Parameter::verbatim_or("dest", "Target", TREE),
                Parameter::flag("delete", "Remove extras"),
                Parameter::flag("dry_run", "Change nothing"),
                Parameter::flag("include_ignored", "Ignored too"),
            ],
            hints: Hints::Idempotent,
            payload: Payload::Record,
            output_schema: output_schema(&[("workspace_id", "string"), ("workspace_sync", "object")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(push(call, arguments))
    }
}

async fn push(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let dest = TreePath::parse_given(arguments.text("dest"))?;
    let given = arguments.text("source_path");
    let mut sync = call
        .ending
        .unless_asked(async {
            let mut request = PushRequest::new(call.host_paths.source(call.context.as_ref(), given).await?);
            request.dest = dest;
            request.delete = arguments.flag("delete");
            request.dry_run = arguments.flag("dry_run");
            request.include_ignored = arguments.flag("include_ignored");
            call.workspace(&arguments)?.push(&request, &|_| {}).await
        })
        .await?;
    // As the client supplied it.
    sync.workspace_sync.source_path = PathBuf::from(given);
    Ok(Answer::record(object(&sync), write_sync))
}
