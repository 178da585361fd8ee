//! `workspace_patch_apply`: a patch is applied, all of it or nothing.

use crate::arguments::Arguments;
use crate::render::write_patch_result;
use crate::schema::{Kind, Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The longest patch.
const MOST_BYTES: usize = 8 << 20;

/// The tool `workspace_patch_apply`.
#[derive(Debug)]
pub(crate) struct PatchApply;

impl Tool for PatchApply {
    fn name(&self) -> &'static str {
        "workspace_patch_apply"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        let patch = Kind::Verbatim {
            max_bytes: Some(MOST_BYTES),
            default: None,
        };
        Definition {
            title: "Apply a patch",
            description: "Apply a patch, all or nothing.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::new("patch", "Unified diff", patch).required(),
                Parameter::flag("dry_run", "Only check"),
            ],
            hints: Hints::Nothing,
            payload: Payload::Record,
            output_schema: output_schema(&[("changed", "boolean"), ("entries", "array")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(apply(call, arguments))
    }
}

async fn apply(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let workspace = call.workspace(&arguments)?;
    let (patch, dry_run) = (arguments.text("patch").as_bytes(), arguments.flag("dry_run"));
    let applied = call
        .ending
        .unless_asked(workspace.apply_patch(patch, dry_run))
        .await?;
    Ok(Answer::record(object(&applied), write_patch_result))
}
