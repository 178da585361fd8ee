//! The content of workspaces through the built `pyro`: the flows of the contract, and each command at its edges.

mod archives;
mod bulk;
mod copy;
mod corpus;
mod export;
mod files;
mod flows;
mod large;
mod push;
mod round_trip;
mod run;
mod tree;
