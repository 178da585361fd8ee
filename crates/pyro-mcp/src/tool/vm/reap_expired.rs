//! `vm_reap_expired`: one-shot VMs whose time is over are removed.

use crate::arguments::Arguments;
use crate::render::write_reap;
use crate::schema::output_schema;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, object};

/// The tool `vm_reap_expired`.
#[derive(Debug)]
pub(crate) struct VmReapExpired;

impl Tool for VmReapExpired {
    fn name(&self) -> &'static str {
        "vm_reap_expired"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Remove expired VMs",
            description: "Remove VMs whose idle limit is over.".to_owned(),
            parameters: Vec::new(),
            hints: Hints::Destructive,
            payload: Payload::Record,
            output_schema: output_schema(&[("deleted_vm_ids", "array"), ("count", "integer")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, _arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let reap = call.pyro.reap_expired()?;
            Ok(Answer::record(object(&reap), write_reap))
        })
    }
}
