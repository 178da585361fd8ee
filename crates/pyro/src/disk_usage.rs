//! Looks at what takes space, without changing or hashing anything.

use std::path::{Path, PathBuf};

use crate::Pyro;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::object::{DiskUsage, UsageItem};
use crate::run::{HostDirs, KeptRuns};
use crate::space::{self, Space};
use crate::template::{self, TemplateStore};
use crate::workspace::{Kind, Store};

/// A file system that does not tell its free space.
#[derive(Debug, thiserror::Error)]
#[error("cannot measure the file system of `{}`", path.display())]
struct Unmeasured {
    path: PathBuf,
    source: std::io::Error,
}

impl Diagnosis for Unmeasured {
    fn code(&self) -> ErrorCode {
        ErrorCode::HostIo
    }

    fn hint(&self) -> Option<String> {
        Some("name another place for environments: PYRO_CACHE_DIR".to_owned())
    }
}

/// Measures everything that pyro keeps.
///
/// # Errors
/// `host-io` if the cache cannot be read.
pub(crate) fn measure(pyro: &Pyro) -> Result<DiskUsage> {
    let cache = &pyro.settings().cache_dir;
    let roots = pyro.environments().roots()?;
    let templates = template::list(&TemplateStore::new(cache), &roots)?;
    let downloads = Some(cache.join("downloads")).filter(|dir| dir.exists());
    let home = &pyro.settings().home;
    let vms = Store::of(Kind::Vm, home).places().into_iter();
    let mut usage = DiskUsage {
        environments: items(pyro.environments().installs()?),
        templates: items(templates),
        disks: items(named_by_file(&cache.join("disks"))),
        downloads: items(downloads.map(|dir| ("downloads".to_owned(), dir))),
        workspaces: items(Store::new(home).places()),
        vms: items(vms.chain(HostDirs::new(home).places())),
        snapshots: Vec::new(),
        logs: items(KeptRuns::new(home).places()),
        totals: Space::default(),
        free_bytes: space::free_bytes(cache).map_err(|source| Unmeasured {
            path: cache.clone(),
            source,
        })?,
    };
    let mut totals = Space::default();
    for item in usage.lists().into_iter().flat_map(|(_, items)| items) {
        totals += item.space;
    }
    usage.totals = totals;
    Ok(usage)
}

/// Measures each, and puts them into the order of their names.
fn items(things: impl IntoIterator<Item = (String, PathBuf)>) -> Vec<UsageItem> {
    let measured = things.into_iter().map(|(name, path)| UsageItem {
        space: Space::of(&path),
        name,
        path,
    });
    let mut items: Vec<_> = measured.collect();
    items.sort_by(|a, b| a.name.cmp(&b.name));
    items
}

/// What is in a directory, which may be missing.
fn named_by_file(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn everything_is_in_the_list_of_its_kind_and_in_the_totals() {
        let base = tempfile::tempdir().unwrap();
        let cache = base.path().join("cache");
        let pyro = Pyro::open(Settings::new(base.path().join("home"), &cache));
        let empty = pyro.disk_usage().unwrap();
        assert_eq!(empty.totals, Space::default());
        assert!(empty.free_bytes > 0 && !cache.exists());

        let install = cache.join("installs").join("0f".repeat(32));
        let template = cache.join("templates").join("1e".repeat(32));
        for (dir, file) in [
            (&install, "root.erofs"),
            (&template, "memory"),
            (&cache.join("disks"), "ext4-2-10g.img"),
            (&cache.join("downloads/blobs"), "blob"),
        ] {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::write(dir.join(file), vec![1; 10_000]).unwrap();
        }
        let usage = pyro.disk_usage().unwrap();
        let names: Vec<_> = usage
            .lists()
            .into_iter()
            .flat_map(|(kind, items)| items.iter().map(move |item| (kind, item.path.clone())))
            .collect();
        let expected = [
            ("environments", install),
            ("templates", template),
            ("disks", cache.join("disks/ext4-2-10g.img")),
            ("downloads", cache.join("downloads")),
        ];
        assert_eq!(names, expected);
        assert_eq!(usage.totals.apparent_bytes, 40_000);
        let used: u64 = usage
            .lists()
            .into_iter()
            .flat_map(|(_, items)| items)
            .map(|item| item.space.used_bytes)
            .sum();
        assert_eq!(usage.totals.used_bytes, used);
    }

    #[test]
    fn an_item_has_its_figures_beside_its_name() {
        let item = UsageItem {
            name: "debian:12".to_owned(),
            path: "/cache".into(),
            space: Space::default(),
        };
        let value = serde_json::to_value(item).unwrap();
        let fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            ["apparent_bytes", "name", "path", "unshared_bytes", "used_bytes"]
        );
    }
}
