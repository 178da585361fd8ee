//! How an environment gets into the cache: from a registry, from packages, or from a file of the user's.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use pyro_image::{
    BlobStore, Image, ImageErrorKind, LayoutImage, PullProgress, Reference, Registry, RegistryError,
    RegistrySettings, RetryPolicy,
};

use super::catalog::Entry;
use super::error::EnvironmentError;
use super::install::install;
use super::packages;
use super::record::{FORMAT, InstallRecord, NameRecord};
use super::selector::{EnvironmentName, ImportSource, Selector};
use super::store::{self, Store};
use super::{BuildOptions, EnvironmentProgress, OnProgress, near};
use crate::held_lock::HeldLock;
use crate::object::EnvironmentOrigin;
use crate::settings::Settings;

/// Brings environments into the cache, with everything that takes.
pub(super) struct Fetcher<'a> {
    pub(super) settings: &'a Settings,
    pub(super) store: &'a Store,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    pub(super) record: NameRecord,
    pub(super) install: InstallRecord,
    /// What was degraded on the way.
    pub(super) warnings: Vec<String>,
}

/// Where a catalog entry comes from.
enum Source {
    /// It is there already.
    Present(Box<Installed>),
    /// It was fetched, and has to be installed.
    Fetched(Box<Fetched>),
}

/// An image whose layers are in the cache, and what to write down of it.
struct Fetched {
    image: Image,
    warnings: Vec<String>,
    version: String,
    origin: EnvironmentOrigin,
    reference: Option<String>,
    source: Option<String>,
}

impl Fetcher<'_> {
    /// What a name stands for; fetched first if it is not there, or in any case with `force`.
    pub(super) async fn pull(
        &self,
        name: &EnvironmentName,
        force: bool,
        progress: OnProgress<'_>,
    ) -> Result<Installed, EnvironmentError> {
        if matches!(name.selector, Selector::Plain) {
            // Only a build or an import could have made it: there is nowhere to fetch it from.
            let found = self.installed(name)?.ok_or_else(|| self.not_found(name))?;
            if force {
                verify_in_full(self.store, name, &found.install).await?;
            }
            return Ok(found);
        }
        let _lock = self.lock(name, progress).await?;
        // Another process may have been faster.
        let present = self.installed(name)?;
        if let Some(present) = present.as_ref().filter(|_| !force) {
            return Ok(present.clone());
        }
        let download = self.begin_download()?;
        let blobs = self.store.blobs()?;
        let fetched = match &name.selector {
            Selector::Catalog(entry) => {
                match self.pull_or_build(name, entry, present, &blobs, progress).await? {
                    Source::Present(present) => return Ok(*present),
                    Source::Fetched(fetched) => *fetched,
                }
            }
            Selector::Reference(reference) => {
                self.pull_image(name, reference, &blobs, RetryPolicy::default(), progress)
                    .await?
            }
            Selector::Local(source) => self.read_image(source, &blobs, progress).await?,
            Selector::Plain => return Err(self.not_found(name)),
        };
        self.keep(name, fetched, &blobs, &download, force, progress).await
    }

    /// Builds a catalog entry from packages.
    pub(super) async fn build(
        &self,
        name: &EnvironmentName,
        entry: &'static Entry,
        options: &BuildOptions,
        progress: OnProgress<'_>,
    ) -> Result<Installed, EnvironmentError> {
        packages::Recipe::new(entry, options).check()?;
        let _lock = self.lock(name, progress).await?;
        let download = self.begin_download()?;
        let blobs = self.store.blobs()?;
        let fetched = self
            .build_image(name, entry, options, &blobs, None, progress)
            .await?;
        self.keep(name, fetched, &blobs, &download, false, progress).await
    }

    /// Takes an image from the host's file system.
    pub(super) async fn import(
        &self,
        name: &EnvironmentName,
        source: &ImportSource,
        progress: OnProgress<'_>,
    ) -> Result<Installed, EnvironmentError> {
        let _lock = self.lock(name, progress).await?;
        let download = self.begin_download()?;
        let blobs = self.store.blobs()?;
        let fetched = self.read_image(source, &blobs, progress).await?;
        self.keep(name, fetched, &blobs, &download, false, progress).await
    }

    /// What a name stands for in the cache, if its install is there too.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub(super) fn installed(&self, name: &EnvironmentName) -> Result<Option<Installed>, EnvironmentError> {
        let Some(record) = self.store.name_record(name)? else {
            return Ok(None);
        };
        let install = self.store.install_record(&record.digest)?;
        Ok(install.map(|install| Installed {
            record,
            install,
            warnings: Vec::new(),
        }))
    }

    async fn lock(
        &self,
        name: &EnvironmentName,
        progress: OnProgress<'_>,
    ) -> Result<HeldLock, EnvironmentError> {
        progress(EnvironmentProgress::Step(format!(
            "preparing `{}`",
            name.as_str()
        )));
        let (store, name) = (self.store.clone(), name.clone());
        let locked = tokio::task::spawn_blocking(move || store.lock_name(&name)).await;
        locked.expect("taking a lock does not panic")
    }

    /// Downloads share this lock; whoever removes blobs needs it alone.
    fn begin_download(&self) -> Result<File, EnvironmentError> {
        let lock = self.store.downloads_lock()?;
        lock.lock_shared()
            .map_err(store::file_error("lock", self.store.cache_dir()))?;
        Ok(lock)
    }

    async fn pull_or_build(
        &self,
        name: &EnvironmentName,
        entry: &'static Entry,
        present: Option<Installed>,
        blobs: &BlobStore,
        progress: OnProgress<'_>,
    ) -> Result<Source, EnvironmentError> {
        let reference: Reference = entry
            .reference
            .parse()
            .expect("the catalog's references are valid");
        // There is another way, so a registry that does not answer is not asked for long.
        let retry = RetryPolicy {
            attempts: 2,
            ..RetryPolicy::default()
        };
        let reason = match self.pull_image(name, &reference, blobs, retry, progress).await {
            Err(EnvironmentError::Registry { source, .. }) if is_out_of_reach(&source) => {
                tracing::debug!(error = %in_full(&source), "no registry answered");
                in_full(&source)
            }
            fetched => return fetched.map(|fetched| Source::Fetched(Box::new(fetched))),
        };
        if let Some(mut present) = present
            && is_sound(self.store, name, &present.install, true).await
        {
            // Building it again would give a newer one, which nobody asked for.
            present.warnings.push(format!(
                "no registry answered ({reason}); what is installed was verified"
            ));
            return Ok(Source::Present(Box::new(present)));
        }
        progress(EnvironmentProgress::Step(format!(
            "no registry answered ({reason}); building from packages"
        )));
        let options = BuildOptions::default();
        let mut built = self
            .build_image(name, entry, &options, blobs, Some(reason.clone()), progress)
            .await?;
        built.warnings.push(format!(
            "no registry answered ({reason}); built from packages instead"
        ));
        Ok(Source::Fetched(Box::new(built)))
    }

    async fn pull_image(
        &self,
        name: &EnvironmentName,
        reference: &Reference,
        blobs: &BlobStore,
        retry: RetryPolicy,
        progress: OnProgress<'_>,
    ) -> Result<Fetched, EnvironmentError> {
        let failed = |source| EnvironmentError::Registry {
            name: name.as_str().to_owned(),
            source: Box::new(source),
        };
        progress(EnvironmentProgress::Step(format!("pulling {reference}")));
        let access = &self.settings.registry;
        let settings = RegistrySettings {
            docker_config_dir: access.docker_config.clone(),
            https_proxy: access.https_proxy.clone(),
            no_proxy: access.no_proxy.clone(),
            mirror: access.mirror.clone(),
            retry,
            ..RegistrySettings::default()
        };
        let registry = Registry::new(settings).map_err(failed)?;
        let progress = Mutex::new(progress);
        let report = |state: PullProgress| {
            if let Ok(mut progress) = progress.lock() {
                progress(EnvironmentProgress::Bytes {
                    done: state.done_bytes,
                    total: state.total_bytes,
                });
            }
        };
        let image = registry.pull(reference, blobs, &report).await.map_err(failed)?;
        let version = reference
            .tag()
            .map_or_else(|| image.manifest_digest.to_string(), str::to_owned);
        let fixed = reference.with_digest(image.manifest_digest);
        Ok(Fetched {
            image,
            warnings: Vec::new(),
            version,
            origin: EnvironmentOrigin::Oci,
            reference: Some(fixed.to_string()),
            source: None,
        })
    }

    async fn build_image(
        &self,
        name: &EnvironmentName,
        entry: &'static Entry,
        options: &BuildOptions,
        blobs: &BlobStore,
        registry: Option<String>,
        progress: OnProgress<'_>,
    ) -> Result<Fetched, EnvironmentError> {
        let recipe = packages::Recipe::new(entry, options);
        progress(EnvironmentProgress::Step(format!(
            "installing {}",
            recipe.describe()
        )));
        let built = packages::build(&recipe, self.settings, self.store.cache_dir(), blobs).await;
        let image = built.map_err(|problem| EnvironmentError::Build {
            name: name.as_str().to_owned(),
            problem: problem.to_string(),
            registry,
        })?;
        Ok(Fetched {
            image,
            warnings: Vec::new(),
            version: super::catalog::DISTRIBUTION_VERSION.to_owned(),
            origin: EnvironmentOrigin::Built,
            reference: None,
            source: Some(recipe.describe()),
        })
    }

    async fn read_image(
        &self,
        source: &ImportSource,
        blobs: &BlobStore,
        progress: OnProgress<'_>,
    ) -> Result<Fetched, EnvironmentError> {
        let path = source.path();
        progress(EnvironmentProgress::Step(format!("reading `{}`", path.display())));
        let failed = |source| EnvironmentError::Import {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let image = match source {
            ImportSource::OciLayout(dir) => pyro_image::import_oci_layout(dir, LayoutImage::Only, blobs)
                .await
                .map_err(failed)?,
            ImportSource::DockerArchive(file) => pyro_image::import_docker_archive(file, blobs)
                .await
                .map_err(failed)?,
            ImportSource::RootfsTar(file) => {
                let tar = open_tar(file)?;
                pyro_image::import_rootfs_tar(tar, file, blobs)
                    .await
                    .map_err(failed)?
            }
        };
        Ok(Fetched {
            image,
            warnings: Vec::new(),
            version: "imported".to_owned(),
            origin: EnvironmentOrigin::Imported,
            reference: None,
            source: Some(path.display().to_string()),
        })
    }

    /// Installs what was fetched, and lets the name stand for it.
    async fn keep(
        &self,
        name: &EnvironmentName,
        fetched: Fetched,
        blobs: &BlobStore,
        download: &File,
        force: bool,
        progress: OnProgress<'_>,
    ) -> Result<Installed, EnvironmentError> {
        let digest = fetched.image.manifest_digest;
        let present = match self.store.install_record(&digest)? {
            Some(present) if is_sound(self.store, name, &present, force).await => Some(present),
            Some(_) => {
                super::install::remove_tree(&self.store.install_dir(&digest))?;
                None
            }
            None => None,
        };
        let install = match present {
            Some(present) => present,
            None => install(self.store, name, &fetched.image, blobs, progress).await?,
        };
        let record = NameRecord {
            format: FORMAT,
            name: name.as_str().to_owned(),
            version: fetched.version,
            origin: fetched.origin,
            reference: fetched.reference,
            source: fetched.source,
            installed_at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            digest,
        };
        self.store.write_name_record(name, &record)?;
        Self::remove_downloads(&fetched.image, blobs, download);
        Ok(Installed {
            record,
            install,
            warnings: fetched.warnings,
        })
    }

    /// The layers are in the root file system now. They stay while others download, who may count on them; a prune
    /// finds them then.
    fn remove_downloads(image: &Image, blobs: &BlobStore, download: &File) {
        // Turns the lock that downloads share into one that nobody shares, or fails.
        if download.try_lock().is_ok() {
            for layer in &image.layers {
                let _freed = blobs.remove(&layer.digest);
            }
        }
    }

    pub(super) fn not_found(&self, name: &EnvironmentName) -> EnvironmentError {
        let installed = self.store.all_names().unwrap_or_default();
        let near = near::names(name.as_str(), installed.iter().map(|record| record.name.as_str()));
        EnvironmentError::NotFound {
            name: name.as_str().to_owned(),
            near,
        }
    }
}

async fn is_sound(store: &Store, name: &EnvironmentName, install: &InstallRecord, in_full: bool) -> bool {
    if in_full {
        return verify_in_full(store, name, install).await.is_ok();
    }
    store.open_root(name.as_str(), install).is_ok()
}

/// Compares a root file system image with its digest, in full.
///
/// # Errors
/// [`EnvironmentError::Corrupt`] if they differ.
pub(super) async fn verify_in_full(
    store: &Store,
    name: &EnvironmentName,
    install: &InstallRecord,
) -> Result<(), EnvironmentError> {
    let corrupt = || EnvironmentError::Corrupt {
        name: name.as_str().to_owned(),
    };
    if !store.may_be_whole(install) {
        return Err(corrupt());
    }
    let path = store.install_dir(&install.digest).join(store::ROOT_IMAGE);
    let root = File::open(&path).map_err(store::file_error("open", &path))?;
    let hashed = tokio::task::spawn_blocking(move || crate::digest::sha256(root)).await;
    let (digits, _) = hashed
        .expect("hashing does not panic")
        .map_err(store::file_error("read", &path))?;
    if format!("sha256:{digits}") == install.root.digest {
        Ok(())
    } else {
        Err(corrupt())
    }
}

fn open_tar(path: &Path) -> Result<File, EnvironmentError> {
    // `-` is standard input, as everywhere.
    let path = if path == Path::new("-") {
        Path::new("/proc/self/fd/0")
    } else {
        path
    };
    File::open(path).map_err(|source| EnvironmentError::Source {
        path: path.to_owned(),
        source,
    })
}

/// Whether another way to the same content may be taken; content that is wrong is never gone around.
fn is_out_of_reach(error: &RegistryError) -> bool {
    matches!(
        error.kind(),
        ImageErrorKind::Unreachable | ImageErrorKind::Unavailable | ImageErrorKind::Unauthorized
    )
}

fn in_full(error: &RegistryError) -> String {
    use std::error::Error;

    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
