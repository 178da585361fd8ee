//! The images that VMs start from: the catalog, the cache, and how they get there.

use std::path::{Path, PathBuf};

use crate::Pyro;
use crate::error::Result;
use crate::object::{EnvironmentInfo, EnvironmentList, PruneReport};

/// The environments of one [`Pyro`].
#[derive(Debug, Clone)]
pub struct Environments {
    #[expect(dead_code, reason = "the operations on the cache follow")]
    pyro: Pyro,
}

/// What a long operation on an environment tells meanwhile.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EnvironmentProgress {
    /// A new step began, such as "downloading" or "building the root file system".
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

/// Where an import comes from: `oci-layout:DIR`, `docker-archive:FILE` or the path of a root file system tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportSource {
    /// An OCI image layout directory.
    OciLayout(PathBuf),
    /// A `docker save` archive.
    DockerArchive(PathBuf),
    /// A tar of a root file system, plain or compressed.
    RootfsTar(PathBuf),
}

impl ImportSource {
    /// Reads the spelling of the command line.
    pub fn parse(text: &str) -> Self {
        let path = |rest: &str| Path::new(rest).to_path_buf();
        if let Some(rest) = text.strip_prefix("oci-layout:") {
            Self::OciLayout(path(rest))
        } else if let Some(rest) = text.strip_prefix("docker-archive:") {
            Self::DockerArchive(path(rest))
        } else {
            Self::RootfsTar(path(text))
        }
    }
}

impl Environments {
    pub(crate) fn new(pyro: Pyro) -> Self {
        Self { pyro }
    }

    /// Lists the catalog and what else is installed. Hashes nothing and reaches no network.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn list(&self) -> Result<EnvironmentList> {
        unimplemented!()
    }

    /// Describes one environment.
    ///
    /// # Errors
    /// `environment-not-found` with near names, if there is none.
    pub fn inspect(&self, _name: &str) -> Result<EnvironmentInfo> {
        unimplemented!()
    }

    /// Fetches an environment, or for a catalog entry builds it where no registry answers. With `force`, resolves a
    /// tag again and verifies everything in full.
    ///
    /// # Errors
    /// `environment-not-found`, `pull-failed`, `digest-mismatch`, `host-io`.
    pub async fn pull(
        &self,
        _name: &str,
        _force: bool,
        _progress: OnProgress<'_>,
    ) -> Result<EnvironmentInfo> {
        unimplemented!()
    }

    /// Builds a catalog entry from the distribution's own packages.
    ///
    /// # Errors
    /// `environment-not-found` if it is not in the catalog, `pull-failed` if the packages cannot be had.
    pub async fn build(
        &self,
        _name: &str,
        _options: &BuildOptions,
        _progress: OnProgress<'_>,
    ) -> Result<EnvironmentInfo> {
        unimplemented!()
    }

    /// Takes an image from the host's file system.
    ///
    /// # Errors
    /// `host-io`, `digest-mismatch`, `invalid-argument`.
    pub async fn import(
        &self,
        _source: &ImportSource,
        _name: Option<&str>,
        _progress: OnProgress<'_>,
    ) -> Result<EnvironmentInfo> {
        unimplemented!()
    }

    /// Removes what nothing uses.
    ///
    /// # Errors
    /// `host-io` if the cache cannot be changed.
    pub fn prune(&self, _scope: PruneScope, _dry_run: bool) -> Result<PruneReport> {
        unimplemented!()
    }
}
