//! Removes what was left behind and what no longer serves, over everything that pyro keeps.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Pyro;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::leftover;
use crate::object::{PruneKind, PrunedItem, Pruning};
use crate::run::{HostDirs, KeptRuns};
use crate::runtime::Runtime;
use crate::settings::Settings;
use crate::space::Space;
use crate::template::{self, Serving, TemplateStore};
use crate::vmm::cgroup;
use crate::workspace::{self, Kind, Store};

/// How long something may go unused where the caller does not say: a week.
const UNUSED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a prune takes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PruneRequest {
    /// How long a template may go unused, or a workspace be stopped; a week by default.
    pub older_than: Duration,
    /// Whether workspaces go, too, that were stopped on request, and not because nobody used them.
    pub stopped: bool,
    /// Only tell what would be removed.
    pub dry_run: bool,
}

impl Default for PruneRequest {
    fn default() -> Self {
        Self {
            older_than: UNUSED_FOR,
            stopped: false,
            dry_run: false,
        }
    }
}

/// A leftover that cannot be removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove `{}`", path.display())]
struct NotRemoved {
    path: PathBuf,
    source: std::io::Error,
}

impl Diagnosis for NotRemoved {
    fn code(&self) -> ErrorCode {
        ErrorCode::HostIo
    }

    fn hint(&self) -> Option<String> {
        Some("check the owner and mode of its directory".to_owned())
    }
}

/// Removes leftovers, and templates that no longer serve. What is in use keeps its files.
///
/// # Errors
/// `runtime-damaged` if what VMs boot now is not known, `host-io` if something cannot be read or removed. What was
/// removed before stays removed.
pub(crate) fn prune(pyro: &Pyro, request: &PruneRequest) -> Result<Pruning> {
    let settings = pyro.settings();
    let runtime = Runtime::open(settings)?;
    let roots = pyro.environments().roots()?;
    let serving = Serving {
        runtime: runtime.digests(),
        roots: &roots,
        unused_for: request.older_than,
    };
    let templates = TemplateStore::new(&settings.cache_dir);
    let mut report = template::prune(&templates, &serving, request.dry_run)?;
    prune_files(settings, request.dry_run, &mut report)?;
    prune_cgroups(request.dry_run, &mut report);
    prune_runs(settings, request.dry_run, &mut report)?;
    prune_host_dirs(settings, request.dry_run, &mut report)?;
    workspace::prune(&Store::new(&settings.home), request, &mut report)?;
    workspace::prune_vms(&Store::of(Kind::Vm, &settings.home), request.dry_run, &mut report)?;
    report.dry_run = request.dry_run;
    Ok(report)
}

fn prune_files(settings: &Settings, dry_run: bool, report: &mut Pruning) -> Result<(), NotRemoved> {
    for path in leftover::unpublished_files(settings) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let item = item(PruneKind::File, name, path, "nobody put it in place");
        remove(item, dry_run, report, |path| std::fs::remove_file(path))?;
    }
    Ok(())
}

fn prune_runs(settings: &Settings, dry_run: bool, report: &mut Pruning) -> Result<(), NotRemoved> {
    for (name, path) in KeptRuns::new(&settings.home).outdated() {
        let item = item(PruneKind::Run, name, path, "results are kept for an hour");
        remove(item, dry_run, report, |path| std::fs::remove_dir_all(path))?;
    }
    Ok(())
}

fn prune_host_dirs(settings: &Settings, dry_run: bool, report: &mut Pruning) -> Result<(), NotRemoved> {
    let dirs = HostDirs::new(&settings.home);
    for (name, path) in dirs.abandoned() {
        let item = item(PruneKind::Vm, name, path, "its owner is gone");
        remove(item, dry_run, report, HostDirs::remove)?;
    }
    Ok(())
}

fn item(kind: PruneKind, name: String, path: PathBuf, reason: &str) -> PrunedItem {
    let bytes = Space::of(&path).used_bytes;
    PrunedItem {
        kind,
        name,
        path,
        bytes,
        reason: reason.to_owned(),
    }
}

/// Removes an item, unless it is only to be told of, and reports it.
fn remove(
    item: PrunedItem,
    dry_run: bool,
    report: &mut Pruning,
    remove: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<(), NotRemoved> {
    if !dry_run {
        remove(&item.path).map_err(|source| NotRemoved {
            path: item.path.clone(),
            source,
        })?;
    }
    report.freed_bytes += item.bytes;
    report.removed.push(item);
    Ok(())
}

fn prune_cgroups(dry_run: bool, report: &mut Pruning) {
    let paths = match dry_run {
        true => cgroup::leftovers(),
        false => cgroup::remove_leftovers(),
    };
    report.removed.extend(paths.into_iter().map(|path| {
        PrunedItem {
            kind: PruneKind::Cgroup,
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            path,
            bytes: 0,
            reason: "its VM is gone".to_owned(),
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::SystemTime;

    use super::*;

    /// A pyro with a runtime that says what it is, in directories of its own.
    fn pyro(base: &Path) -> Pyro {
        let mut settings = Settings::new(base.join("home"), base.join("cache"));
        let entry = serde_json::json!({"sha256": "00", "size": 0});
        let manifest = serde_json::json!({
            "format": 1,
            "pyro_version": "0.1.0",
            "kernel_release": "6.1.0",
            "files": {"vmlinux": entry, "initramfs.cpio": entry},
        });
        std::fs::write(base.join("manifest.json"), manifest.to_string()).unwrap();
        settings.runtime_dir = Some(base.to_owned());
        Pyro::open(settings)
    }

    #[test]
    fn files_that_nobody_put_in_place_go_and_newer_ones_stay() {
        let base = tempfile::tempdir().unwrap();
        let pyro = pyro(base.path());
        let disks = pyro.settings().cache_dir.join("disks");
        std::fs::create_dir_all(&disks).unwrap();
        let [old, new, blank] = [".old", ".new", "ext4-2-1g.img"].map(|name| disks.join(name));
        let long_ago = FileTimes::new().set_modified(SystemTime::now() - 2 * leftover::GIVEN_UP);
        for path in [&old, &new, &blank] {
            std::fs::write(path, [1; 5000]).unwrap();
        }
        for path in [&old, &blank] {
            File::open(path).unwrap().set_times(long_ago).unwrap();
        }
        let mut request = PruneRequest {
            dry_run: true,
            ..PruneRequest::default()
        };
        let tried = pyro.prune(&request).unwrap();
        assert!(tried.dry_run && old.exists());
        request.dry_run = false;
        let report = pyro.prune(&request).unwrap();
        assert_eq!(report.removed, tried.removed);
        assert_eq!((report.removed.len(), &report.removed[0].path), (1, &old));
        assert!(report.freed_bytes >= 5000);
        assert!(!old.exists() && new.exists() && blank.exists());
        assert!(pyro.prune(&request).unwrap().removed.is_empty());
    }

    #[test]
    fn without_a_runtime_nothing_is_judged() {
        let base = tempfile::tempdir().unwrap();
        let pyro = pyro(base.path());
        std::fs::remove_file(base.path().join("manifest.json")).unwrap();
        let error = pyro.prune(&PruneRequest::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RuntimeDamaged);
    }
}
