//! The images that VMs start from: the catalog, the cache, and how they get there.

mod catalog;
mod error;
mod fetch;
mod info;
mod install;
mod near;
mod packages;
mod prune;
mod record;
mod selector;
mod store;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub use self::selector::ImportSource;

use self::error::EnvironmentError;
use self::fetch::{Fetcher, Installed};
use self::record::{FORMAT, InstallRecord, NameRecord};
use self::selector::{EnvironmentName, Selector};
use self::store::Store;
use crate::Pyro;
use crate::error::Result;
use crate::object::{EnvironmentInfo, EnvironmentList, EnvironmentOrigin, PruneReport};
use crate::workspace::{Kind, Store as Records};

/// The environments of one [`Pyro`].
#[derive(Debug, Clone)]
pub struct Environments {
    pyro: Pyro,
    store: Store,
}

/// What a long operation on an environment tells meanwhile.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EnvironmentProgress {
    /// A new step began, such as "pulling …" or "building the root file system".
    Step(String),
    /// The step moved on.
    Bytes {
        /// Bytes done.
        done: u64,
        /// Bytes in all; 0 while unknown.
        total: u64,
    },
}

/// Takes progress as it comes.
pub type OnProgress<'a> = &'a mut (dyn FnMut(EnvironmentProgress) + Send);

/// How a catalog entry is built from packages.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BuildOptions {
    /// A package mirror, instead of the host's own package sources.
    pub mirror: Option<String>,
    /// Packages on top of the catalog entry's.
    pub packages: Vec<String>,
    /// The name to install it under, instead of the catalog's.
    pub name: Option<String>,
}

/// What a prune takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneScope {
    /// Partial downloads, and unused installs that a newer one supersedes.
    Superseded,
    /// Every unused install, too.
    AllUnused,
}

/// How commands run where the caller does not say, from the image's configuration.
#[derive(Debug, Clone)]
pub(crate) struct ImageDefaults {
    /// `NAME=value` entries.
    pub(crate) env: Vec<String>,
    /// The working directory.
    pub(crate) working_dir: String,
    /// The user; empty is root.
    pub(crate) user: String,
}

impl ImageDefaults {
    /// Without an image: in the tree, as the caller.
    pub(crate) fn of_host() -> Self {
        Self {
            env: Vec::new(),
            working_dir: crate::TREE.to_owned(),
            user: String::new(),
        }
    }
}

/// An environment in the cache, ready to start a VM from, and held against removal for as long as this lives.
#[derive(Debug)]
pub(crate) struct BootableEnvironment {
    /// The name as it is recorded.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The digest of its manifest.
    pub(crate) digest: String,
    /// How commands run in it.
    pub(crate) defaults: ImageDefaults,
    /// Its user and the user's group in numbers, if they are known.
    pub(crate) owner: Option<(u32, u32)>,
    /// What was degraded on the way to it.
    pub(crate) warnings: Vec<String>,
    install: InstallRecord,
    store: Store,
    _held: OwnedFd,
}

impl BootableEnvironment {
    fn new(store: &Store, installed: Installed) -> Result<Self, EnvironmentError> {
        let Installed {
            record,
            mut install,
            warnings,
        } = installed;
        let held = store.recognise_root(&record.name, &mut install)?;
        let config = &install.config;
        let working_dir = if config.working_dir.is_empty() {
            "/"
        } else {
            &config.working_dir
        };
        Ok(Self {
            name: record.name,
            version: record.version,
            digest: record.digest.to_string(),
            defaults: ImageDefaults {
                env: config.env.clone(),
                working_dir: working_dir.to_owned(),
                user: config.user.clone(),
            },
            owner: install.owner.map(|owner| (owner.uid, owner.gid)),
            warnings,
            install,
            store: store.clone(),
            _held: held,
        })
    }

    /// The digest of the root file system image.
    pub(crate) fn root_digest(&self) -> &str {
        &self.install.root.digest
    }

    /// Opens the root file system image for a VM, which thereby holds it too.
    ///
    /// # Errors
    /// `digest-mismatch` if it is no longer what was installed.
    pub(crate) fn open_root(&self) -> Result<OwnedFd> {
        Ok(self.store.open_root(&self.name, &self.install)?)
    }
}

impl Environments {
    pub(crate) fn new(pyro: Pyro) -> Self {
        let store = Store::new(&pyro.settings().cache_dir);
        Self { pyro, store }
    }

    /// Lists the catalog and what else is installed. Hashes nothing and reaches no network.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn list(&self) -> Result<EnvironmentList> {
        let installed = self.store.all_names()?;
        let others = installed
            .iter()
            .map(|record| record.name.as_str())
            .filter(|name| catalog::find(name).is_none());
        let names = catalog::ENTRIES.iter().map(|entry| entry.name).chain(others);
        let environments: Vec<EnvironmentInfo> =
            names.map(|name| self.inspect(name)).collect::<Result<_>>()?;
        Ok(EnvironmentList {
            catalog_version: catalog::VERSION.to_owned(),
            count: environments.len(),
            environments,
        })
    }

    /// The name as it is recorded, of an environment that need not be installed.
    ///
    /// # Errors
    /// `invalid-argument` if no environment can have that name, `environment-not-found` if none could be had by it.
    pub(crate) fn normal_name(&self, name: &str) -> Result<String> {
        let (name, _) = self.known(name)?;
        Ok(name.as_str().to_owned())
    }

    /// An environment that is installed, or could be.
    fn known(&self, name: &str) -> Result<(EnvironmentName, Option<Installed>)> {
        let name = EnvironmentName::parse(name)?;
        let installed = self.fetcher().installed(&name)?;
        if installed.is_none() && matches!(name.selector, Selector::Plain) {
            return Err(self.fetcher().not_found(&name).into());
        }
        Ok((name, installed))
    }

    /// Describes one environment. Hashes nothing and reaches no network.
    ///
    /// # Errors
    /// `environment-not-found` with near names, if there is none.
    pub fn inspect(&self, name: &str) -> Result<EnvironmentInfo> {
        let (name, installed) = self.known(name)?;
        Ok(info::describe(
            self.pyro.settings(),
            &self.store,
            &name,
            installed.as_ref(),
        ))
    }

    /// Fetches an environment, or for a catalog entry builds it where no registry answers. With `force`, resolves a
    /// tag again and verifies everything in full.
    ///
    /// Dropping the future keeps what was downloaded for the next attempt and nothing else.
    ///
    /// # Errors
    /// `environment-not-found`, `pull-failed`, `digest-mismatch`, `host-io`.
    pub async fn pull(&self, name: &str, force: bool, progress: OnProgress<'_>) -> Result<EnvironmentInfo> {
        let name = EnvironmentName::parse(name)?;
        let installed = self.fetcher().pull(&name, force, progress).await?;
        Ok(info::describe(
            self.pyro.settings(),
            &self.store,
            &name,
            Some(&installed),
        ))
    }

    /// Builds a catalog entry from the distribution's own packages.
    ///
    /// # Errors
    /// `environment-not-found` if it is not in the catalog, `pull-failed` if the packages cannot be had.
    pub async fn build(
        &self,
        name: &str,
        options: &BuildOptions,
        progress: OnProgress<'_>,
    ) -> Result<EnvironmentInfo> {
        let base = EnvironmentName::parse(name)?;
        let Selector::Catalog(entry) = base.selector else {
            return Err(self.fetcher().not_found(&base).into());
        };
        let name = match &options.name {
            Some(own) => EnvironmentName::parse_own(own)?,
            None => base,
        };
        let installed = self.fetcher().build(&name, entry, options, progress).await?;
        Ok(info::describe(
            self.pyro.settings(),
            &self.store,
            &name,
            Some(&installed),
        ))
    }

    /// Takes an image from the host's file system.
    ///
    /// # Errors
    /// `host-io`, `digest-mismatch`, `invalid-argument`.
    pub async fn import(
        &self,
        source: &ImportSource,
        name: Option<&str>,
        progress: OnProgress<'_>,
    ) -> Result<EnvironmentInfo> {
        let name = match name {
            Some(name) => EnvironmentName::parse_own(name)?,
            None => EnvironmentName::parse_own(&name_of_file(source))?,
        };
        let installed = self.fetcher().import(&name, source, progress).await?;
        Ok(info::describe(
            self.pyro.settings(),
            &self.store,
            &name,
            Some(&installed),
        ))
    }

    /// Removes what nothing uses.
    ///
    /// # Errors
    /// `host-io` if the cache cannot be changed.
    pub fn prune(&self, scope: PruneScope, dry_run: bool) -> Result<PruneReport> {
        let home = &self.pyro.settings().home;
        let mut used = Records::new(home).environment_digests()?;
        used.extend(Records::of(Kind::Vm, home).environment_digests()?);
        Ok(prune::prune(&self.store, scope, &used, dry_run)?)
    }

    /// The names of what is installed, by the digest of the root file system image; several are joined by commas.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub(crate) fn roots(&self) -> Result<BTreeMap<String, String>> {
        let mut roots: BTreeMap<String, String> = BTreeMap::new();
        for record in self.store.all_names()? {
            let Some(install) = self.store.install_record(&record.digest)? else {
                continue;
            };
            let names = roots.entry(install.root.digest).or_default();
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(&record.name);
        }
        Ok(roots)
    }

    /// The directories of all installs, with their names for people.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub(crate) fn installs(&self) -> Result<Vec<(String, PathBuf)>> {
        let records = self.store.all_names()?;
        let named = |dir: PathBuf| {
            let names: Vec<&str> = records
                .iter()
                .filter(|record| self.store.install_dir(&record.digest) == dir)
                .map(|record| record.name.as_str())
                .collect();
            let own = dir.file_name().unwrap_or_default().to_string_lossy();
            let name = if names.is_empty() {
                own.into_owned()
            } else {
                names.join(", ")
            };
            (name, dir)
        };
        let dirs = store::list(&self.store.installs_dir())?;
        Ok(dirs.into_iter().map(named).collect())
    }

    /// An environment ready to start from; fetched first if it is not in the cache.
    pub(crate) async fn ensure(&self, name: &str, progress: OnProgress<'_>) -> Result<BootableEnvironment> {
        let name = EnvironmentName::parse(name)?;
        let fetcher = self.fetcher();
        let installed = match fetcher.installed(&name)? {
            Some(installed) => installed,
            None => fetcher.pull(&name, false, progress).await?,
        };
        Ok(BootableEnvironment::new(&self.store, installed)?)
    }

    /// An environment as it was when something was made from it, whatever its name stands for now.
    ///
    /// # Errors
    /// `environment-not-found` if it is not installed any more, `digest-mismatch` if its image was changed.
    pub(crate) fn installed_as(&self, name: &str, digest: &str) -> Result<BootableEnvironment> {
        let name = EnvironmentName::parse(name)?;
        let missing = || self.fetcher().not_found(&name);
        let digest = digest.parse().map_err(|_| missing())?;
        let install = self.store.install_record(&digest)?.ok_or_else(missing)?;
        let record = NameRecord {
            format: FORMAT,
            name: name.as_str().to_owned(),
            version: String::new(),
            origin: EnvironmentOrigin::Imported,
            reference: None,
            source: None,
            installed_at: String::new(),
            digest,
        };
        let installed = Installed {
            record,
            install,
            warnings: Vec::new(),
        };
        Ok(BootableEnvironment::new(&self.store, installed)?)
    }

    /// Describes an environment, after its image was verified in full if it is installed. Reaches no network.
    ///
    /// # Errors
    /// `environment-not-found` if there is none, `digest-mismatch` if the image is not what was installed.
    pub async fn verify(&self, name: &str) -> Result<EnvironmentInfo> {
        let info = self.inspect(name)?;
        let name = EnvironmentName::parse(name)?;
        if let Some(installed) = self.fetcher().installed(&name)? {
            fetch::verify_in_full(&self.store, &name, &installed.install).await?;
        }
        Ok(info)
    }

    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher {
            settings: self.pyro.settings(),
            store: &self.store,
        }
    }
}

/// The name of an import that is given none: its file name without the endings of archives.
fn name_of_file(source: &ImportSource) -> String {
    let file = source
        .path()
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let endings = [".gz", ".zst", ".tgz", ".tar"];
    let mut name = file.as_str();
    while let Some(shorter) = endings.iter().find_map(|ending| name.strip_suffix(ending)) {
        name = shorter;
    }
    name.to_owned()
}
