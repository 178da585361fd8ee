//! The tools for one-shot VMs that are made ahead of their command.

mod create;
mod delete;
mod exec;
mod list_environments;
mod network_info;
mod reap_expired;
mod start;
mod status;
mod stop;

pub(crate) use create::VmCreate;
pub(crate) use delete::VmDelete;
pub(crate) use exec::VmExec;
pub(crate) use list_environments::VmListEnvironments;
pub(crate) use network_info::VmNetworkInfo;
pub(crate) use reap_expired::VmReapExpired;
pub(crate) use start::VmStart;
pub(crate) use status::VmStatus;
pub(crate) use stop::VmStop;

use pyro::object::VmInfo;
use rmcp::model::JsonObject;

use super::{Answer, Call, object};
use crate::render::write_vm;
use crate::schema::{Parameter, output_schema};

/// The VM that a tool works on.
fn vm_id() -> Parameter {
    Parameter::text("vm_id", "VM").required()
}

/// The schema of a *VM*.
fn vm_schema() -> JsonObject {
    output_schema(&[("vm_id", "string"), ("state", "string")])
}

/// A *VM* as a result, after something was done to it.
fn described(call: &Call, done: &str, mut info: VmInfo) -> Answer {
    info.last_error = info.last_error.map(|error| call.words.without_places(&error));
    Answer::record(object(&info), |object| write_vm(done, object))
}
