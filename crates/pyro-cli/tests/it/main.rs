//! The built `pyro`, run as users run it but with nothing of their environment.

mod complete;
mod content;
mod harness;
mod help;
mod host;
mod quiet;
mod space;
mod tools;
mod usage;
