//! `vm_delete`: the end of a one-shot VM, or of a run that outlived its call.

use pyro::VmId;

use super::vm_id;
use crate::arguments::Arguments;
use crate::render::write_vm_deletion;
use crate::schema::output_schema;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, object};

/// The tool `vm_delete`.
#[derive(Debug)]
pub(crate) struct VmDelete;

impl Tool for VmDelete {
    fn name(&self) -> &'static str {
        "vm_delete"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Delete a VM",
            description: "Delete a VM and its disk.".to_owned(),
            parameters: vec![vm_id()],
            hints: Hints::Destructive,
            payload: Payload::Record,
            output_schema: output_schema(&[
                ("vm_id", "string"),
                ("deleted", "boolean"),
                ("reason", "string"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            // Not dropped with its call: half a deletion is of use to nobody.
            let vm_id: VmId = arguments.text("vm_id").parse()?;
            let deletion = match call.runs.delete(&vm_id).await {
                Some(deletion) => deletion,
                None => call.vm(&arguments)?.delete().await?,
            };
            Ok(Answer::record(object(&deletion), write_vm_deletion))
        })
    }
}
