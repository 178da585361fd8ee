//! Environments as users see them.

use super::catalog::{self, Entry};
use super::fetch::Installed;
use super::record::{InstallRecord, NameRecord};
use super::selector::{EnvironmentName, Selector};
use super::store::{self, INSTALL_RECORD, ROOT_IMAGE, Store};
use crate::object::{EnvironmentInfo, EnvironmentOrigin, EnvironmentPaths, EnvironmentState};
use crate::runtime::Runtime;
use crate::settings::Settings;

/// Describes what a name refers to, and what it stands for in the cache if anything.
pub(super) fn describe(
    settings: &Settings,
    store: &Store,
    name: &EnvironmentName,
    installed: Option<&Installed>,
) -> EnvironmentInfo {
    let entry = match name.selector {
        Selector::Catalog(entry) => Some(entry),
        Selector::Reference(_) | Selector::Local(_) | Selector::Plain => None,
    };
    let record = installed.map(|installed| &installed.record);
    let reference = reference(name, entry, record);
    let parsed = reference
        .as_deref()
        .and_then(|text| text.parse::<pyro_image::Reference>().ok());
    let is_debian = entry.is_some() || record.is_some_and(|record| record.origin == EnvironmentOrigin::Built);
    EnvironmentInfo {
        name: name.as_str().to_owned(),
        version: version(entry, record),
        description: description(name, entry, record),
        default_packages: entry.map_or_else(Vec::new, |entry| {
            entry.promised.iter().map(|s| (*s).to_owned()).collect()
        }),
        distribution: is_debian.then(|| catalog::DISTRIBUTION.to_owned()),
        distribution_version: is_debian.then(|| catalog::DISTRIBUTION_VERSION.to_owned()),
        platform: "linux-x86_64".to_owned(),
        oci_registry: parsed.as_ref().map(|reference| reference.registry().to_string()),
        oci_repository: parsed.as_ref().map(|reference| reference.repository().to_owned()),
        oci_reference: reference,
        source_digest: record.map(|record| record.digest.to_string()),
        compatibility: format!(">={}", env!("CARGO_PKG_VERSION")),
        catalog_version: catalog::VERSION.to_owned(),
        installed: installed.is_some(),
        state: state(store, installed),
        origin: record.map(|record| record.origin),
        size_bytes: installed.map(|Installed { install, .. }| install.root.size_bytes),
        used_by: installed.map_or_else(Vec::new, |Installed { install, .. }| used_by(store, install)),
        warnings: installed.map_or_else(Vec::new, |installed| installed.warnings.clone()),
        paths: paths(settings, store, installed),
    }
}

fn version(entry: Option<&Entry>, record: Option<&NameRecord>) -> String {
    match (record, entry) {
        (Some(record), _) => record.version.clone(),
        (None, Some(_)) => catalog::DISTRIBUTION_VERSION.to_owned(),
        (None, None) => String::new(),
    }
}

fn reference(name: &EnvironmentName, entry: Option<&Entry>, record: Option<&NameRecord>) -> Option<String> {
    if record.is_some_and(|record| record.origin != EnvironmentOrigin::Oci) {
        return None;
    }
    match (
        record.and_then(|record| record.reference.clone()),
        entry,
        &name.selector,
    ) {
        (Some(reference), _, _) => Some(reference),
        (None, Some(entry), _) => Some(entry.reference.to_owned()),
        (None, None, Selector::Reference(reference)) => Some(reference.to_string()),
        (None, None, _) => None,
    }
}

fn description(name: &EnvironmentName, entry: Option<&Entry>, record: Option<&NameRecord>) -> String {
    match (entry, record.and_then(|record| record.source.as_deref())) {
        (Some(entry), _) => entry.description.to_owned(),
        (None, Some(source)) => format!("from {source}"),
        (None, None) => format!("OCI image {}", name.as_str()),
    }
}

fn state(store: &Store, installed: Option<&Installed>) -> EnvironmentState {
    match installed {
        None => EnvironmentState::Absent,
        // What it holds is compared when it is used.
        Some(Installed { install, .. }) if !store.may_be_whole(install) => EnvironmentState::Corrupt,
        Some(_) => EnvironmentState::Cold,
    }
}

fn used_by(store: &Store, install: &InstallRecord) -> Vec<String> {
    let root = store.install_dir(&install.digest).join(ROOT_IMAGE);
    match store::lock_alone(&root) {
        Ok(None) if root.exists() => vec!["a running VM".to_owned()],
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn paths(settings: &Settings, store: &Store, installed: Option<&Installed>) -> EnvironmentPaths {
    let dir = installed.map(|Installed { install, .. }| store.install_dir(&install.digest));
    EnvironmentPaths {
        cache_dir: Some(store.cache_dir().to_owned()),
        install_manifest: dir.as_ref().map(|dir| dir.join(INSTALL_RECORD)),
        rootfs_image: dir.as_ref().map(|dir| dir.join(ROOT_IMAGE)),
        install_dir: dir,
        kernel_image: Runtime::open(settings).ok().map(|runtime| runtime.kernel()),
        source: installed.and_then(|installed| installed.record.source.clone()),
    }
}
