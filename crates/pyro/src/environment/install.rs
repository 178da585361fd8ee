//! From verified layers to an installed root file system image.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyro_image::{AccountIds, BlobStore, Image, LayerFile, RootImage, RootLimits, build_root};
use tokio::sync::mpsc;

use super::error::EnvironmentError;
use super::record::{FORMAT, InstallRecord, OwnerRecord};
use super::selector::EnvironmentName;
use super::store::{self, INSTALL_RECORD, ROOT_IMAGE, Store};
use super::{EnvironmentProgress, OnProgress};

/// Sets the flag when dropped, so that a thread stops when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Builds the root file system of an image and puts it in place, all or nothing. The caller holds the name's lock.
pub(super) async fn install(
    store: &Store,
    name: &EnvironmentName,
    image: &Image,
    blobs: &BlobStore,
    progress: OnProgress<'_>,
) -> Result<InstallRecord, EnvironmentError> {
    progress(EnvironmentProgress::Step(
        "building the root file system".to_owned(),
    ));
    let draft = store.draft_dir(name);
    // Whatever a killed process left under this name's lock.
    remove_tree(&draft)?;
    crate::dirs::ensure_private(&draft)?;
    let built = build(&draft, name, image, blobs, progress).await;
    let published = built.and_then(|root| publish(store, name, image, &draft, root));
    if published.is_err() {
        // The failure at hand matters more.
        let _not_removed = remove_tree(&draft);
    }
    published
}

async fn build(
    draft: &Path,
    name: &EnvironmentName,
    image: &Image,
    blobs: &BlobStore,
    progress: OnProgress<'_>,
) -> Result<RootImage, EnvironmentError> {
    let layer = |layer: &pyro_image::Layer| LayerFile {
        path: blobs.path(&layer.digest),
        diff_id: Some(layer.diff_id.to_string()),
    };
    let layers: Vec<LayerFile> = image.layers.iter().map(layer).collect();
    let out = draft.join(ROOT_IMAGE);
    let stop = Arc::new(AtomicBool::new(false));
    let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
    let (sender, mut reports) = mpsc::channel(1);
    let mut task = tokio::task::spawn_blocking(move || {
        // Progress that nobody takes in time is not worth waiting for.
        let mut report = |state: pyro_image::RootProgress| {
            let _untold = sender.try_send(state);
        };
        build_root(&layers, &out, RootLimits::default(), &mut report, &stop)
    });
    let built = loop {
        tokio::select! {
            built = &mut task => break built,
            Some(state) = reports.recv() => {
                progress(EnvironmentProgress::Bytes { done: state.bytes_done, total: state.bytes_total });
            }
        }
    };
    let built = built.expect("building a root file system does not panic");
    built.map_err(|source| EnvironmentError::Root {
        name: name.as_str().to_owned(),
        source: Box::new(source),
    })
}

fn publish(
    store: &Store,
    name: &EnvironmentName,
    image: &Image,
    draft: &Path,
    root: RootImage,
) -> Result<InstallRecord, EnvironmentError> {
    if let Some(present) = store.install_record(&image.manifest_digest)?
        && present.root.digest == root.digest
        && store.open_root(name.as_str(), &present).is_ok()
    {
        // Installed meanwhile under another name; equal images make equal bytes.
        remove_tree(draft)?;
        return Ok(present);
    }
    let owner = root.accounts.find(&image.config.user);
    let record = InstallRecord {
        format: FORMAT,
        digest: image.manifest_digest,
        config: image.config.clone(),
        root: store::root_record(&draft.join(ROOT_IMAGE), root.digest)?,
        owner: owner.map(|AccountIds { uid, gid }| OwnerRecord { uid, gid }),
    };
    store::write_record(draft, INSTALL_RECORD, &record)?;
    let place = store.install_dir(&record.digest);
    // What is there was found wanting; whoever uses it keeps its open file.
    remove_tree(&place)?;
    std::fs::rename(draft, &place).map_err(store::file_error("install", &place))?;
    sync_dir(&store.installs_dir())?;
    Ok(record)
}

/// Removes a directory and what is in it, if it is there.
pub(super) fn remove_tree(path: &Path) -> Result<(), EnvironmentError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(store::file_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn sync_dir(dir: &PathBuf) -> Result<(), EnvironmentError> {
    let file = std::fs::File::open(dir).map_err(store::file_error("open", dir))?;
    file.sync_all().map_err(store::file_error("sync", dir))
}
