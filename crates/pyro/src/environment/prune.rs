//! Removes what nothing uses.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::PruneScope;
use super::error::EnvironmentError;
use super::install::remove_tree;
use super::store::{self, ROOT_IMAGE, Store};
use crate::object::PruneReport;
use crate::space::Space;

/// Removes partial downloads, drafts and installs as far as the scope says; but nothing whose manifest has one of the
/// digests in `used`.
///
/// # Errors
/// If the cache cannot be read or changed. What was removed before stays removed.
pub(super) fn prune(
    store: &Store,
    scope: PruneScope,
    used: &BTreeSet<String>,
    dry_run: bool,
) -> Result<PruneReport, EnvironmentError> {
    let mut report = PruneReport {
        deleted_environment_dirs: Vec::new(),
        count: 0,
        freed_bytes: 0,
        kept: Vec::new(),
    };
    let names = store.all_names()?;
    let wanted: BTreeSet<String> = names.iter().map(|record| record.digest.hex()).collect();
    for dir in store::list(&store.installs_dir())? {
        let label = dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if used.contains(&format!("sha256:{label}")) {
            report
                .kept
                .push(format!("{label}: a workspace or a VM starts from it"));
            continue;
        }
        let superseded = !wanted.contains(&label);
        if superseded || scope == PruneScope::AllUnused {
            remove_install(store, &dir, &label, dry_run, &mut report)?;
        }
    }
    if !dry_run {
        forget_names(store)?;
    }
    prune_downloads(store, dry_run, &mut report)?;
    report.count = report.deleted_environment_dirs.len();
    Ok(report)
}

fn remove_install(
    store: &Store,
    dir: &Path,
    label: &str,
    dry_run: bool,
    report: &mut PruneReport,
) -> Result<(), EnvironmentError> {
    // A draft belongs to whoever holds the lock of its name.
    let key = label.strip_prefix(".draft-");
    let guard = match key {
        Some(key) => store::lock_alone(&store.names_dir().join(format!("{key}.lock")))?,
        None => store::lock_alone(&dir.join(ROOT_IMAGE))?,
    };
    let lockable = match key {
        Some(_) => guard.is_some(),
        // An install without its image is of no use to anyone.
        None => guard.is_some() || !dir.join(ROOT_IMAGE).exists(),
    };
    if !lockable {
        report.kept.push(format!("{label}: in use"));
        return Ok(());
    }
    report.freed_bytes += Space::of(dir).used_bytes;
    report.deleted_environment_dirs.push(dir.to_owned());
    if dry_run { Ok(()) } else { remove_tree(dir) }
}

/// A name whose install is gone stands for nothing.
fn forget_names(store: &Store) -> Result<(), EnvironmentError> {
    for record in store.all_names()? {
        if !store.install_dir(&record.digest).exists() {
            let name = super::selector::EnvironmentName::parse(&record.name)?;
            let path = store.name_record_path(&name);
            std::fs::remove_file(&path).map_err(store::file_error("remove", &path))?;
        }
    }
    Ok(())
}

fn prune_downloads(store: &Store, dry_run: bool, report: &mut PruneReport) -> Result<(), EnvironmentError> {
    let dir = store.cache_dir().join("downloads");
    if !dir.exists() {
        return Ok(());
    }
    let lock = store.downloads_lock()?;
    if lock.try_lock().is_err() {
        report.kept.push("downloads: in progress".to_owned());
        return Ok(());
    }
    for scratch in store::list(store.cache_dir())? {
        let is_scratch = scratch
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(".packages-"));
        if is_scratch {
            remove_counted(&scratch, dry_run, report)?;
        }
    }
    for part in ["blobs", "partial"] {
        for path in files_below(&dir.join(part))? {
            report.freed_bytes += Space::of(&path).used_bytes;
            if !dry_run {
                std::fs::remove_file(&path).map_err(store::file_error("remove", &path))?;
            }
        }
    }
    Ok(())
}

fn remove_counted(path: &Path, dry_run: bool, report: &mut PruneReport) -> Result<(), EnvironmentError> {
    report.freed_bytes += Space::of(path).used_bytes;
    if dry_run { Ok(()) } else { remove_tree(path) }
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let mut files = Vec::new();
    for path in store::list(dir)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
