//! The OCI image layout: `oci-layout`, `index.json` and `blobs/sha256/<hex>` in a directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;

use super::{ImportError, Wanted};
use crate::blob::BlobStore;
use crate::digest::{Digest, shorten};
use crate::file_error::{FileAction, IoContext as _};
use crate::image::Image;
use crate::manifest::{
    self, DEEPEST_INDEX, Descriptor, Document, ImageManifest, LARGEST_DOCUMENT, ManifestError,
};

/// The annotation that holds the tag of an entry of `index.json`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Says which image of an OCI layout is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutImage {
    /// The only one there is.
    Only,
    /// The one with this tag.
    Tag(String),
    /// The manifest or index with this digest.
    Digest(Digest),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Imports an image of the layout at `path`.
pub(super) fn import(
    path: &Path,
    image: &LayoutImage,
    store: &BlobStore,
    wanted: &Wanted,
) -> Result<Image, ImportError> {
    let layout = Layout::open(path)?;
    layout.check_version()?;
    let refused = |source| ImportError::Manifest {
        path: path.to_path_buf(),
        source,
    };
    let (digest, manifest) = layout.manifest(&layout.choose(image)?)?;
    let config = layout.verified(&manifest.config)?;
    let image = manifest::assemble(None, digest, &manifest, &config).map_err(refused)?;
    for layer in &image.layers {
        let (file, _) = layout.open_file(&blob_name(&layer.digest))?;
        store.insert(wanted.watch(file), Some((layer.digest, layer.size_bytes)), path)?;
    }
    Ok(image)
}

/// A layout held open, so that its names mean the same from first to last.
struct Layout {
    dir: OwnedFd,
    path: PathBuf,
}

impl Layout {
    fn open(path: &Path) -> Result<Self, ImportError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty()).at(FileAction::Open, path)?;
        Ok(Self {
            dir,
            path: path.to_path_buf(),
        })
    }

    fn check_version(&self) -> Result<(), ImportError> {
        let marker: Marker = self.json("oci-layout")?;
        let version = marker.image_layout_version;
        if version.split('.').next() == Some("1") {
            return Ok(());
        }
        Err(ImportError::LayoutVersion {
            path: self.path.clone(),
            version: shorten(&version),
        })
    }

    /// Picks the entry of the index that is meant.
    fn choose(&self, image: &LayoutImage) -> Result<Descriptor, ImportError> {
        let refused = |source| ImportError::Manifest {
            path: self.path.clone(),
            source,
        };
        let index = self.read("index.json", LARGEST_DOCUMENT)?;
        let Document::Index(entries) = Document::parse(&index).map_err(refused)? else {
            return Err(refused(ManifestError::Ambiguous));
        };
        let names: BTreeSet<String> = entries.iter().filter_map(ref_name).map(shorten).collect();
        let names: Vec<String> = names.into_iter().collect();
        let (wanted, meant): (String, Vec<Descriptor>) = match image {
            LayoutImage::Only if names.len() > 1 => {
                return Err(ImportError::SeveralImages {
                    path: self.path.clone(),
                    names,
                });
            }
            LayoutImage::Only => ("linux/amd64".to_owned(), entries),
            LayoutImage::Tag(tag) => (
                shorten(tag),
                entries
                    .into_iter()
                    .filter(|entry| ref_name(entry) == Some(tag))
                    .collect(),
            ),
            LayoutImage::Digest(digest) => (
                digest.to_string(),
                entries
                    .into_iter()
                    .filter(|entry| entry.digest == *digest)
                    .collect(),
            ),
        };
        if meant.is_empty() {
            return Err(ImportError::NoSuchImage {
                path: self.path.clone(),
                wanted,
                names,
            });
        }
        manifest::select(&meant).cloned().map_err(refused)
    }

    /// Reads a manifest, following indexes to the one for this platform.
    fn manifest(&self, entry: &Descriptor) -> Result<(Digest, ImageManifest), ImportError> {
        let refused = |source| ImportError::Manifest {
            path: self.path.clone(),
            source,
        };
        let mut entry = entry.clone();
        for _ in 0..=DEEPEST_INDEX {
            let content = self.verified(&entry)?;
            match Document::parse(&content).map_err(refused)? {
                Document::Manifest(manifest) => return Ok((entry.digest, manifest)),
                Document::Index(entries) => entry = manifest::select(&entries).map_err(refused)?.clone(),
            }
        }
        Err(refused(ManifestError::TooDeep { limit: DEEPEST_INDEX }))
    }

    /// Reads a manifest or configuration and compares its digest.
    fn verified(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImportError> {
        let entry = blob_name(&descriptor.digest);
        let content = self.read(&entry, LARGEST_DOCUMENT)?;
        let found = Digest::of(&content);
        if found == descriptor.digest {
            return Ok(content);
        }
        Err(ImportError::DigestMismatch {
            path: self.path.clone(),
            entry,
            expected: descriptor.digest,
            found,
        })
    }

    fn json<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, ImportError> {
        let content = self.read(name, LARGEST_DOCUMENT)?;
        serde_json::from_slice(&content).map_err(|source| ImportError::Json {
            path: self.path.clone(),
            entry: name.to_owned(),
            source,
        })
    }

    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImportError> {
        let (file, size) = self.open_file(name)?;
        if size > limit {
            return Err(ImportError::TooLarge {
                path: self.path.clone(),
                entry: name.to_owned(),
                size,
                limit,
            });
        }
        let mut content = Vec::new();
        file.take(limit)
            .read_to_end(&mut content)
            .at(FileAction::Read, &self.path.join(name))?;
        Ok(content)
    }

    /// Opens a plain file below the layout, one component after the other, following no link. `name` is a constant
    /// or made of a digest.
    fn open_file(&self, name: &str) -> Result<(File, u64), ImportError> {
        let (dirs, file) = name.rsplit_once('/').unwrap_or(("", name));
        let directory = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut current: Option<OwnedFd> = None;
        for part in dirs.split('/').filter(|part| !part.is_empty()) {
            current = Some(self.step(current.as_ref(), part, directory, name)?);
        }
        let file = File::from(self.step(current.as_ref(), file, OFlags::RDONLY | OFlags::NONBLOCK, name)?);
        let metadata = file.metadata().at(FileAction::Read, &self.path.join(name))?;
        if !metadata.is_file() {
            return Err(ImportError::NotAFile {
                path: self.path.clone(),
                entry: name.to_owned(),
            });
        }
        Ok((file, metadata.len()))
    }

    fn step(
        &self,
        dir: Option<&OwnedFd>,
        part: &str,
        flags: OFlags,
        name: &str,
    ) -> Result<OwnedFd, ImportError> {
        let dir = dir.unwrap_or(&self.dir).as_fd();
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (path, entry) = (self.path.clone(), name.to_owned());
        match rustix::fs::openat(dir, part, flags, Mode::empty()) {
            Err(Errno::NOENT) => Err(ImportError::Missing { path, entry }),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(ImportError::NotAFile { path, entry }),
            opened => Ok(opened.at(FileAction::Open, &self.path.join(name))?),
        }
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn ref_name(entry: &Descriptor) -> Option<&str> {
    entry.annotations.as_ref()?.get(REF_NAME).map(String::as_str)
}
