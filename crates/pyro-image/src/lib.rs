//! From an OCI reference or a package set to a read-only root file system image.
#![forbid(unsafe_code)]

mod account;
mod blob;
mod digest;
mod erofs;
mod file_error;
mod image;
mod import;
mod kind;
mod layer;
mod manifest;
mod reference;
mod registry;
pub mod root;
pub mod seed;
mod tree;

pub use account::{AccountIds, Accounts};
pub use blob::{BlobError, BlobStore};
pub use digest::{Digest, DigestError};
pub use file_error::{FileAction, FileError};
pub use image::{Compression, Image, ImageConfig, Layer, LayerMediaType};
pub use import::{ImportError, LayoutImage, import_docker_archive, import_oci_layout, import_rootfs_tar};
pub use kind::ImageErrorKind;
pub use manifest::{ManifestError, Platform};
pub use reference::{Reference, ReferenceError, RegistryHost};
pub use registry::{CredentialError, PullProgress, Registry, RegistryError, RegistrySettings, RetryPolicy};
pub use root::{
    EntryError, ImageFileError, LayerError, LayerFile, NameError, RootError, RootImage, RootLimits,
    RootProgress, XattrError, build_root,
};
