//! `workspace_export`: a file or directory of a workspace is brought to the host.

use pyro::{ExportGuard, ExportKind, ExportRequest, TreePath};

use super::TREE;
use crate::arguments::Arguments;
use crate::render::write_export;
use crate::schema::{Kind, Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, common, object};

/// The tool `workspace_export`.
#[derive(Debug)]
pub(crate) struct Export;

impl Tool for Export {
    fn name(&self) -> &'static str {
        "workspace_export"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        let output = Kind::Text {
            max_bytes: None,
            default: None,
        };
        Definition {
            title: "Export to the host",
            description: "Copy files or changes to the host.".to_owned(),
            parameters: vec![
                common::workspace_id(),
                Parameter::new("output_path", "Host target", output).required(),
                Parameter::verbatim_or("path", "Source", TREE),
                Parameter::flag("changes", "Changes only"),
                Parameter::flag("as_patch", "As one patch"),
                Parameter::flag("force", "Replace"),
                common::baseline("from_snapshot"),
            ],
            hints: Hints::Destructive,
            payload: Payload::Record,
            output_schema: output_schema(&[
                ("workspace_id", "string"),
                ("output_path", "string"),
                ("artifact_type", "string"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(export(call, arguments))
    }
}

async fn export(call: &Call, arguments: Arguments) -> pyro::Result<Answer> {
    let (changes, as_patch) = (arguments.flag("changes"), arguments.flag("as_patch"));
    common::not_both("as_patch", "cannot be given with `changes`", changes && as_patch)?;
    common::only_baseline(&arguments, "from_snapshot")?;
    let path = TreePath::parse_given(arguments.text("path"))?;
    let export = call
        .ending
        .unless_asked(async {
            let given = arguments.text("output_path");
            let (output, roots) = call
                .host_paths
                .output(call.context.as_ref(), "output_path", given)
                .await?;
            let mut request = ExportRequest::new(path, output);
            request.kind = match (changes, as_patch) {
                (true, _) => ExportKind::Changes,
                (_, true) => ExportKind::Patch,
                (false, false) => ExportKind::Whole,
            };
            request.force = arguments.flag("force");
            request.guard = Some(ExportGuard::new(roots, call.options.allow_autorun_paths));
            call.workspace(&arguments)?.export(&request).await
        })
        .await?;
    Ok(Answer::record(object(&export), write_export))
}
