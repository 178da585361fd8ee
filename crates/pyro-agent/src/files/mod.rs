//! The files of the workspace.

use std::rc::Rc;

use pyro_proto::message::{FaultKind, Verb};

use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// Answers a request about files.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(crate) async fn answer(
    verb: Verb,
    _asks: &mut Asks,
    _reply: &mut Reply<'_>,
    _agent: &Rc<Agent>,
) -> Result<(), CallError> {
    Err(fault(
        FaultKind::Unsupported,
        format!("`{}` is not there yet", verb.name()),
    )
    .into())
}
