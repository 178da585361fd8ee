//! What of a configuration concerns an agent on the host.

use std::io;
use std::sync::Arc;

use pyro_proto::file::WorkspaceTree;
use pyro_proto::message::{Fault, FaultKind};

use super::directory::Directory;
use crate::agent::Agent;
use crate::call::fault;
use crate::identity::failed;

/// Gives the agent its tree, once.
///
/// # Errors
/// A [`Fault`] if it is for another user, or cannot be had.
pub(crate) async fn set_up_workspace(
    directory: &Arc<Directory>,
    wanted: &WorkspaceTree,
    agent: &Agent,
) -> Result<(), Fault> {
    directory.user(&wanted.user.parse()?)?;
    if agent.tree.borrow().is_some() {
        // The host did not hear that it is done.
        return Ok(());
    }
    if wanted.seeded && !directory.has_seed() {
        return Err(fault(FaultKind::Internal, "the agent was given no seed"));
    }
    let (directory, is_seeded) = (Arc::clone(directory), wanted.seeded);
    // If the call is broken off meanwhile, it is done all the same, and the next call waits for it.
    let opened = tokio::task::spawn_blocking(move || directory.open_tree(is_seeded)).await;
    let (tree, left) = opened
        .map_err(io::Error::other)
        .and_then(|opened| opened)
        .map_err(|error| failed("set up the workspace", &error))?;
    if !left.is_empty() {
        drop(tokio::task::spawn_blocking(move || left.remove()));
    }
    agent.tree.replace(Some(Arc::new(tree)));
    Ok(())
}
