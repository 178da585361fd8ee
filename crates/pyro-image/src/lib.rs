//! From an OCI reference or a package set to a read-only root file system image.
#![forbid(unsafe_code)]
