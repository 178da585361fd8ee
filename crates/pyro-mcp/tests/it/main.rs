//! The built `pyro mcp serve` with real VMs, as clients meet it.
//!
//! `cargo xtask test` runs these. They take from the environment: `PYRO_TEST_BIN`, the binary; `PYRO_TEST_PYTHON` and
//! `PYRO_TEST_PYTHON_V1`, interpreters with the package `mcp` 2.x (and `openai`) and 1.x; `PYRO_TEST_INSPECTOR_DIR`, a directory with
//! the npm packages of the MCP Inspector and node; `PYRO_TEST_NODE_DIR`, one with those of the TypeScript clients, the
//! conformance suite and node; `PYRO_TEST_CACHE`, a cache with the environment `debian:12` installed.
//! What is missing fails the test that needs it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails fails its test"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "messages are written down where they are sent"
)]

mod autorun;
mod client;
mod clients;
mod ending;
mod examples;
mod flow;
mod host_views;
mod hostile;
mod http;
mod left_running;
mod malformed;
mod matrix;
mod model;
mod process;
mod project;
mod protocol;
mod resources;
mod run;
mod tasks;
mod vm;
mod workspace;
