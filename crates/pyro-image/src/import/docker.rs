//! Archives as `docker save` writes them.
//!
//! `manifest.json` names a configuration and layers. Before docker 25 those were `<hex>.json` and `<id>/layer.tar`,
//! since then they are members of an OCI layout; the names do not matter, except that a digest in one must hold.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use super::archive::Archive;
use super::{ImportError, Wanted, layer, open, synthetic};
use crate::blob::{BlobStore, CHUNK, Partial};
use crate::digest::Digest;
use crate::file_error::{FileAction, IoContext as _};
use crate::image::{Compression, Image, Layer};
use crate::manifest::{self, LARGEST_DOCUMENT, ManifestError, ParsedConfig};

const MANIFEST: &str = "manifest.json";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Imports the one image of the archive at `path`.
pub(super) fn import(path: &Path, store: &BlobStore, wanted: &Wanted) -> Result<Image, ImportError> {
    let archive = Archive::index(plain(open(path)?, path, store, wanted)?, path)?;
    let saved = the_one(&archive)?;
    let config = archive.document(&saved.config, LARGEST_DOCUMENT)?;
    check_name(&archive, &saved.config, &[Digest::of(&config)])?;
    let refused = |source| ImportError::Manifest {
        path: path.to_path_buf(),
        source,
    };
    let parsed = manifest::parse_config(&config).map_err(refused)?;
    let names = saved.layers.unwrap_or_default();
    if names.len() != parsed.diff_ids.len() {
        let (layers, diff_ids) = (names.len(), parsed.diff_ids.len());
        return Err(refused(ManifestError::LayersDiffer { layers, diff_ids }));
    }
    let layers = names
        .iter()
        .zip(&parsed.diff_ids)
        .map(|(name, diff_id)| import_layer(&archive, name, diff_id, store, wanted))
        .collect::<Result<Vec<_>, _>>()?;
    let reference = saved
        .repo_tags
        .unwrap_or_default()
        .iter()
        .find_map(|tag| tag.parse().ok());
    let ParsedConfig { config: run, .. } = parsed;
    let manifest_digest = synthetic::manifest_digest(&config, &layers);
    Ok(Image {
        reference,
        manifest_digest,
        config: run,
        layers,
    })
}

/// Expands a compressed archive into scratch space, because its members are read out of order.
fn plain(mut file: File, path: &Path, store: &BlobStore, wanted: &Wanted) -> Result<File, ImportError> {
    let unreadable = |source| ImportError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let (compression, mut decoded) = layer::decode(wanted.watch(&file)).map_err(unreadable)?;
    if compression == Compression::None {
        drop(decoded);
        file.seek(SeekFrom::Start(0)).at(FileAction::Read, path)?;
        return Ok(file);
    }
    let mut partial = Partial::create(&store.partial_dir(), u64::MAX)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let step = match decoded.read(&mut chunk) {
            Ok(0) => return Ok(partial.into_scratch()?),
            Ok(count) => partial.write(&chunk[..count]).map_err(ImportError::from),
            Err(source) => Err(unreadable(source)),
        };
        if let Err(error) = step {
            partial.discard()?;
            return Err(error);
        }
    }
}

fn the_one(archive: &Archive) -> Result<Saved, ImportError> {
    let content = archive.document(MANIFEST, LARGEST_DOCUMENT)?;
    let path = archive.path().to_path_buf();
    let mut saved: Vec<Saved> = serde_json::from_slice(&content).map_err(|source| ImportError::Json {
        path: path.clone(),
        entry: MANIFEST.to_owned(),
        source,
    })?;
    match (saved.pop(), saved.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(ImportError::Empty { path }),
        (Some(last), false) => {
            let name = |it: Saved| {
                it.repo_tags
                    .unwrap_or_default()
                    .into_iter()
                    .next()
                    .unwrap_or(it.config)
            };
            Err(ImportError::SeveralImages {
                path,
                names: saved.into_iter().chain([last]).map(name).collect(),
            })
        }
    }
}

fn import_layer(
    archive: &Archive,
    name: &str,
    diff_id: &Digest,
    store: &BlobStore,
    wanted: &Wanted,
) -> Result<Layer, ImportError> {
    let source = wanted.watch(archive.layer(name)?);
    let accept = |layer: &Layer| {
        check_name(archive, name, &[layer.digest, layer.diff_id])?;
        if layer.diff_id == *diff_id {
            return Ok(());
        }
        let (path, entry) = (archive.path().to_path_buf(), name.to_owned());
        Err(ImportError::DigestMismatch {
            path,
            entry,
            expected: *diff_id,
            found: layer.diff_id,
        })
    };
    layer::import(store, source, archive.path(), |_| Ok(()), accept)
}

/// Compares a member's name with its digest, if it has one in it: `blobs/sha256/<hex>`, `<hex>.json`, `<hex>.tar`.
fn check_name(archive: &Archive, name: &str, found: &[Digest]) -> Result<(), ImportError> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.split('.').next().unwrap_or(file);
    match Digest::from_hex(stem) {
        Ok(expected) if !found.contains(&expected) => Err(ImportError::DigestMismatch {
            path: archive.path().to_path_buf(),
            entry: name.to_owned(),
            expected,
            found: found[0],
        }),
        _ => Ok(()),
    }
}
