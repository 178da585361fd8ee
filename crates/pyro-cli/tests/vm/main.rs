//! The built `pyro` with real VMs.
//!
//! `cargo xtask test` runs these. They take from the environment: `PYRO_TEST_BIN`, the binary in its dist tree;
//! `PYRO_TEST_CACHE`, a cache directory with `debian:12` installed; and, if they are there, `PYRO_TEST_TIER`, what runs
//! the VMs: `emulated/qemu` (unless it is said otherwise), `hardware/qemu` or `hardware/firecracker`, and how often or
//! how much: `PYRO_TEST_RUNS`, runs in a row that must leave nothing behind; `PYRO_TEST_AT_ONCE`, runs at once;
//! `PYRO_TEST_KILLS`, makers of a template that are killed; `PYRO_TEST_OUTPUT_MIB` and `PYRO_TEST_INPUT_MIB`, what passes
//! out of a guest and through it; `PYRO_TEST_WORKSPACE_KILLS` and `PYRO_TEST_SEED`, how often a process of a workspace
//! is killed, and when, or with `PYRO_TEST_TREE_PAIRS` how many random trees become others, and which;
//! `PYRO_TEST_TREE_FILES` and `PYRO_TEST_TREE_MIB`, how much is in a large tree; `PYRO_TEST_MIXED_OPERATIONS`, what clients
//! of two kinds do with one workspace; `PYRO_TEST_CROWD`, what many clients do with one; `PYRO_TEST_CLOCK_MS`, how far its
//! clock may be off. `PYRO_TEST_PYTHON` is a Python for a virtual environment. `cargo xtask lab` runs them on the hardware
//! tiers, with figures that fit it.

mod cgroup;
mod command;
mod complete;
mod confine;
mod content;
mod crowd;
mod demo;
mod durable;
mod end;
mod exit;
mod fields;
mod follow;
mod full_disk;
mod guest;
mod history;
mod host_run;
mod host_workspace;
mod ids;
mod image;
mod interrupt;
mod isolation;
mod kill;
mod limit;
mod many;
mod mcp;
mod mixed;
#[path = "../../../pyro-mcp/tests/it/model.rs"]
mod model;
mod parallel;
mod prepare;
mod process;
mod prune;
mod races;
mod refuse;
mod reset;
mod signal;
mod stream;
mod support;
mod template;
mod tier;
mod volume;
mod workspace;
