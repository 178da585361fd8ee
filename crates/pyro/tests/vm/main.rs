//! Runs through the library, with real VMs: what no caller can do from outside a process.
//!
//! `cargo xtask test` runs these. They take from the environment: `PYRO_TEST_BIN`, the binary in its dist tree, beside
//! which the runtime lies; `PYRO_TEST_CACHE`, a cache directory with `debian:12` installed; and, if it is there,
//! `PYRO_TEST_TIER`, what runs the VMs: see the tests of pyro-cli.

mod background;
mod cut;
mod flows;
mod host;
mod one_shot;
mod run;
mod support;
mod workspace;
