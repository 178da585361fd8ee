//! From an OCI reference or a package set to a read-only root file system image.
#![forbid(unsafe_code)]

mod erofs;
mod layer;
pub mod root;
mod tree;
