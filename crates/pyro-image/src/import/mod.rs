//! Images that come from files instead of a registry. All of them are hostile: nothing is unpacked, members are
//! found by comparing names, and what the archive says about digests is checked.

mod archive;
mod docker;
mod error;
mod layer;
mod layout;
mod synthetic;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task;

pub use error::ImportError;
pub use layout::LayoutImage;

use crate::blob::BlobStore;
use crate::file_error::{FileAction, IoContext as _};
use crate::image::Image;

/// Imports an image of an OCI layout, the directory form of an image.
///
/// Its blobs must be plain files: symbolic links are refused wherever they point.
///
/// # Errors
/// [`ImportError`]; its kind is `NotFound` if there is no such directory or image.
pub async fn import_oci_layout(
    dir: &Path,
    image: LayoutImage,
    store: &BlobStore,
) -> Result<Image, ImportError> {
    let (dir, store) = (dir.to_path_buf(), store.clone());
    blocking(move |wanted| layout::import(&dir, &image, &store, wanted)).await
}

/// Imports the one image of an archive as `docker save` writes it, old layout or new, perhaps compressed.
///
/// # Errors
/// [`ImportError`]; its kind is `NotFound` if there is no such file.
pub async fn import_docker_archive(file: &Path, store: &BlobStore) -> Result<Image, ImportError> {
    let (path, store) = (file.to_path_buf(), store.clone());
    blocking(move |wanted| docker::import(&path, &store, wanted)).await
}

/// Imports a root file system as an image of one layer without configuration: a tar, plain or compressed by gzip or
/// zstd. `path` names it in errors.
///
/// # Errors
/// [`ImportError`]; an entry whose name is absolute or has `..` is refused by name.
pub async fn import_rootfs_tar(
    tar: impl Read + Send + 'static,
    path: &Path,
    store: &BlobStore,
) -> Result<Image, ImportError> {
    let (path, store) = (path.to_path_buf(), store.clone());
    blocking(move |wanted| {
        let found = layer::import(
            &store,
            wanted.watch(tar),
            &path,
            |tar| archive::check_names(tar, &path),
            |_| Ok(()),
        )?;
        synthetic::rootfs(&found).map_err(|source| ImportError::Manifest { path, source })
    })
    .await
}

/// Tells a thread whether its result is still wanted.
#[derive(Clone, Debug)]
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// Makes reading fail as soon as nobody waits for the outcome.
    fn watch<R: Read>(&self, source: R) -> Watched<R> {
        Watched {
            source,
            wanted: self.clone(),
        }
    }
}

struct Watched<R> {
    source: R,
    wanted: Wanted,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.wanted.0.load(Ordering::Relaxed) {
            self.source.read(buffer)
        } else {
            Err(io::Error::other("the import was given up"))
        }
    }
}

/// Clears the flag when the future that waits is dropped.
struct Waiter(Wanted);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// Runs `work` in a thread for blocking work. Dropping the future makes it stop at its next read.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Wanted) -> Result<T, ImportError> + Send + 'static,
) -> Result<T, ImportError> {
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let _waiter = Waiter(wanted.clone());
    match task::spawn_blocking(move || work(&wanted)).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ImportError::Cancelled),
        },
    }
}

/// Opens a file that the user named.
fn open(path: &Path) -> Result<File, ImportError> {
    Ok(File::open(path).at(FileAction::Open, path)?)
}
