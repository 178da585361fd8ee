//! One-shot VMs that are made ahead of their command, started and stopped by themselves.
//!
//! They are kept as workspaces are, and each has a supervisor while it runs; but they have no name, no seed and no tree,
//! and they go for good: once their command ended, whatever came of it, and when their time is over.

mod create;
mod exec;
mod handle;
mod info;
mod reap;

pub use self::create::CreateVmRequest;
pub use self::handle::Vm;
pub(crate) use self::reap::{overdue, prune};
#[cfg(test)]
pub(crate) use self::tests::vm_record;

#[cfg(test)]
mod tests;
