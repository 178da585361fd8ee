//! An image whose manifest and configuration have been read and verified.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::reference::Reference;

/// Describes an image for linux/amd64: what it is called, how it is run, and which layers make its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name the image was asked for or saved under; none for an import that carries no full name.
    pub reference: Option<Reference>,
    /// The digest of the image's manifest, never of an index. Imports without a manifest get one of their own.
    pub manifest_digest: Digest,
    /// How the image wants to be run.
    pub config: ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// Returns the size of all layers as they are stored, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.layers
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.size_bytes))
    }
}

/// Says how an image wants to be run: the part of the OCI image configuration that pyro applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Environment, each `NAME=value`.
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// The directory commands start in; empty means `/`.
    pub working_dir: String,
    /// The program the image wants in front of every command.
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entry point, if none is given.
    pub cmd: Vec<String>,
    /// The processor, `amd64`.
    pub architecture: String,
    /// The operating system, `linux`.
    pub os: String,
}

/// Names one layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The digest of the blob as it is stored.
    pub digest: Digest,
    /// The digest of the tar within the blob.
    pub diff_id: Digest,
    /// The size of the blob as it is stored, in bytes.
    pub size_bytes: u64,
    /// What the manifest says the blob is.
    pub media_type: LayerMediaType,
}

/// Lists the layer types that make a root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LayerMediaType {
    /// An OCI layer, not compressed.
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar")]
    OciTar,
    /// An OCI layer, compressed by gzip.
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar+gzip")]
    OciTarGzip,
    /// An OCI layer, compressed by zstd.
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar+zstd")]
    OciTarZstd,
    /// A docker layer, not compressed.
    #[serde(rename = "application/vnd.docker.image.rootfs.diff.tar")]
    DockerTar,
    /// A docker layer, compressed by gzip.
    #[serde(rename = "application/vnd.docker.image.rootfs.diff.tar.gzip")]
    DockerTarGzip,
    /// A docker layer, compressed by zstd.
    #[serde(rename = "application/vnd.docker.image.rootfs.diff.tar.zstd")]
    DockerTarZstd,
}

impl LayerMediaType {
    /// Every type, for lookups by name.
    const ALL: [Self; 6] = [
        Self::OciTar,
        Self::OciTarGzip,
        Self::OciTarZstd,
        Self::DockerTar,
        Self::DockerTarGzip,
        Self::DockerTarZstd,
    ];

    /// Finds the type called `name`; none if it is not a layer this crate can apply.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Returns the media type as manifests spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OciTar => "application/vnd.oci.image.layer.v1.tar",
            Self::OciTarGzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::OciTarZstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::DockerTar => "application/vnd.docker.image.rootfs.diff.tar",
            Self::DockerTarGzip => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Self::DockerTarZstd => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        }
    }

    /// Returns how the tar within the blob is compressed.
    pub fn compression(self) -> Compression {
        match self {
            Self::OciTar | Self::DockerTar => Compression::None,
            Self::OciTarGzip | Self::DockerTarGzip => Compression::Gzip,
            Self::OciTarZstd | Self::DockerTarZstd => Compression::Zstd,
        }
    }
}

impl fmt::Display for LayerMediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Says how a tar is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip, in one or more members.
    Gzip,
    /// By zstd, in one or more frames.
    Zstd,
}

impl Compression {
    /// Recognises the compression by the first bytes of a stream.
    pub fn of_magic(start: &[u8]) -> Self {
        if start.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}
