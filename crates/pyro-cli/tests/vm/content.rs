//! The content of workspaces through the built `pyro`: the flows of the contract, and each command at its edges.

mod export;
mod files;
mod flows;
mod push;
mod round_trip;
mod tree;
