//! Which files Git ignores (`gitignore(5)`), told without running Git.

mod ignore_file;
mod index;
mod memory;
mod pointer;
mod remote;
mod rules;
mod work_tree;

pub(super) use pointer::{warn_of_pointer, warn_of_target};
pub use remote::{RemoteRules, RemoteVerdict};
pub(super) use rules::{GitContext, Rules, Verdict};
