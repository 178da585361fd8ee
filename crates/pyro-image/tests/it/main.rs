//! Pulls and imports against real tools: Debian's `docker-registry`, `skopeo` and `umoci`, on loopback.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic, also in what tests share"
)]

mod auth;
mod child;
mod concurrent;
mod fault;
mod fixture;
mod image;
mod import_archive;
mod import_layout;
mod import_rootfs;
mod manifest;
mod mirror;
mod proxy;
mod pull;
mod server;
mod storage;
mod tls;
