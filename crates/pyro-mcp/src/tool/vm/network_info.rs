//! `vm_network_info`: what a one-shot VM can reach.

use super::vm_id;
use crate::arguments::Arguments;
use crate::render::write_vm_network;
use crate::schema::output_schema;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, object};

/// The tool `vm_network_info`.
#[derive(Debug)]
pub(crate) struct VmNetworkInfo;

impl Tool for VmNetworkInfo {
    fn name(&self) -> &'static str {
        "vm_network_info"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "Show the network of a VM",
            description: "Show what a VM can reach, and why.".to_owned(),
            parameters: vec![vm_id()],
            hints: Hints::ReadOnly,
            payload: Payload::Record,
            output_schema: output_schema(&[
                ("vm_id", "string"),
                ("network_enabled", "boolean"),
                ("reason", "string"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let network = call.vm(&arguments)?.network_info()?;
            Ok(Answer::record(object(&network), write_vm_network))
        })
    }
}
