//! *environment*: an image that VMs start from.

use std::path::PathBuf;

use serde::Serialize;

/// One environment.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct EnvironmentInfo {
    /// Its name: of the catalog, of an import, or an OCI reference.
    pub name: String,
    /// Its version, such as a tag or a distribution's version.
    pub version: String,
    /// One line for people.
    pub description: String,
    /// The packages that the catalog promises.
    pub default_packages: Vec<String>,
    /// The distribution, such as `debian`.
    pub distribution: Option<String>,
    /// The distribution's version, such as `12`.
    pub distribution_version: Option<String>,
    /// The platform, such as `linux-x86_64`.
    pub platform: String,
    /// The registry it comes from.
    pub oci_registry: Option<String>,
    /// The repository there.
    pub oci_repository: Option<String>,
    /// The whole reference there.
    pub oci_reference: Option<String>,
    /// The digest of its manifest, or of what it was built or imported from.
    pub source_digest: Option<String>,
    /// The versions of pyro that can use it.
    pub compatibility: String,
    /// The version of the catalog that knows it.
    pub catalog_version: String,
    /// Whether it is in the cache.
    pub installed: bool,
    /// Its state in the cache.
    pub state: EnvironmentState,
    /// Where its content came from.
    pub origin: Option<EnvironmentOrigin>,
    /// The size of its root file system image, in bytes.
    pub size_bytes: Option<u64>,
    /// What uses it now.
    pub used_by: Vec<String>,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
    /// Where it is on this host; not shown over MCP.
    #[serde(flatten)]
    pub paths: EnvironmentPaths,
}

/// Where an environment is on this host.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct EnvironmentPaths {
    /// The cache.
    pub cache_dir: Option<PathBuf>,
    /// Its directory in the cache.
    pub install_dir: Option<PathBuf>,
    /// The record of its installation.
    pub install_manifest: Option<PathBuf>,
    /// The kernel that boots it.
    pub kernel_image: Option<PathBuf>,
    /// Its read-only root file system image.
    pub rootfs_image: Option<PathBuf>,
    /// What it was built from.
    pub source: Option<String>,
}

/// The state of an environment in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EnvironmentState {
    /// Not in the cache.
    Absent,
    /// In the cache; the next start boots.
    Cold,
    /// In the cache with a template; the next start restores.
    Warm,
    /// In the cache, superseded by a newer pull.
    Stale,
    /// In the cache, and not what was installed.
    Corrupt,
}

/// Where an environment's content came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EnvironmentOrigin {
    /// An OCI registry.
    Oci,
    /// The distribution's own packages.
    Built,
    /// A layout, an archive or a tar of the user's.
    Imported,
}

/// All environments that pyro knows.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct EnvironmentList {
    /// The version of the catalog.
    pub catalog_version: String,
    /// How many there are.
    pub count: usize,
    /// The environments: the catalog first, then what else is installed.
    pub environments: Vec<EnvironmentInfo>,
}

/// What a prune removed.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// The directories that are gone, or would be.
    pub deleted_environment_dirs: Vec<PathBuf>,
    /// How many.
    pub count: usize,
    /// The space they used, in bytes.
    pub freed_bytes: u64,
    /// What stays because something uses it.
    pub kept: Vec<String>,
}
