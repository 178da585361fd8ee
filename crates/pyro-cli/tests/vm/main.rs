//! The built `pyro` with real VMs.
//!
//! `cargo xtask test` runs these. They take from the environment: `PYRO_TEST_BIN`, the binary in its dist tree;
//! `PYRO_TEST_CACHE`, a cache directory with `debian:12` installed; and, if they are there, `PYRO_TEST_RUNS`, how many
//! runs in a row must leave nothing behind, and `PYRO_TEST_TIER`, what runs the VMs: `emulated/qemu` (unless it is said
//! otherwise), `hardware/qemu` or `hardware/firecracker`. `cargo xtask lab` runs them on the last two.

mod cgroup;
mod command;
mod end;
mod exit;
mod guest;
mod image;
mod interrupt;
mod limit;
mod many;
mod prepare;
mod process;
mod refuse;
mod stream;
mod support;
mod template;
mod tier;
mod volume;
