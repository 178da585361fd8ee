//! `put`: not there yet.

use std::io;
use std::rc::Rc;

use pyro_proto::message::FaultKind;

use super::tree::Tree;
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// Answers the call.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    _asks: &mut Asks,
    _reply: &mut Reply<'_>,
    _agent: &Rc<Agent>,
) -> Result<(), CallError> {
    Err(fault(FaultKind::Unsupported, "not there yet").into())
}

/// Finishes or takes back what was being put in place when the machine ended.
///
/// # Errors
/// When the tree cannot be made whole.
pub(super) fn recover(_tree: &Tree) -> io::Result<()> {
    Ok(())
}
