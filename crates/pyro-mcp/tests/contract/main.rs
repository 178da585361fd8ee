//! The protocol as clients meet it, over a pair of pipes in memory: all that needs no VM.

#![expect(clippy::unwrap_used, reason = "a step that fails fails its test")]

mod client;
mod host_paths;
mod protocol;
mod vms;
mod workspaces;
