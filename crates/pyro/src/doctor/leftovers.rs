//! What earlier runs left behind: VMs without owner, partial downloads, unpublished files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::finding::{pass, warn};
use crate::admission::{self, Entry};
use crate::dirs;
use crate::id::VmId;
use crate::object::DoctorCheck;
use crate::settings::Settings;

const ID: &str = "leftovers";

/// A VM's directory may be older than its reservation by the time that a start takes.
const STARTING: Duration = Duration::from_secs(60);

/// A download that nobody took up for that long has been given up.
const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks for what nobody uses any more. Removes nothing.
pub(super) fn look(settings: &Settings) -> (DoctorCheck, Value) {
    let (reservations, damaged) = match admission::reservations(&settings.home) {
        Ok(entries) => (entries, None),
        Err(_) => (Vec::new(), Some(settings.home.join("admission.json"))),
    };
    let (live, dead): (Vec<_>, Vec<_>) = reservations.into_iter().partition(Entry::is_live);
    let orphans = orphans(&settings.home.join("vms"), &live);
    let cache = &settings.cache_dir;
    let mut downloads = older_than(&cache.join("downloads").join("partial"), GIVEN_UP, |_| true);
    downloads.extend(older_than(&cache.join("installs"), GIVEN_UP, |name| {
        name.starts_with(".draft-")
    }));
    downloads.extend(older_than(cache, GIVEN_UP, |name| name.starts_with(".packages-")));
    let mut files = older_than(&cache.join("disks"), GIVEN_UP, |name| name.starts_with('.'));
    for dir in [&settings.home, &settings.cache_dir] {
        files.extend(older_than(dir, GIVEN_UP, is_unpublished));
    }
    let value = json!({
        "dead_reservations": dead.iter().map(|entry| &entry.vm_id).collect::<Vec<_>>(),
        "ownerless_vms": orphans,
        "abandoned_downloads": downloads,
        "abandoned_files": files,
        "damaged_records": damaged,
    });
    let paths: Vec<_> = orphans.into_iter().chain(files).chain(damaged).collect();
    (judge(&paths, downloads.len(), dead.len()), value)
}

fn judge(paths: &[PathBuf], downloads: usize, dead: usize) -> DoctorCheck {
    if downloads > 0 {
        return warn(
            ID,
            format!("{} given up for a day", count(downloads, "download")),
            "go on with it by `pyro env pull`, or remove it: `pyro env prune`",
        );
    }
    if !paths.is_empty() {
        let words: Vec<_> = paths.iter().map(|path| dirs::quoted(path)).collect();
        return warn(
            ID,
            format!("{} left behind by earlier runs", count(paths.len(), "thing")),
            format!("remove what is not used: `rm -r {}`", words.join(" ")),
        );
    }
    match dead {
        0 => pass(ID, "nothing is left behind"),
        _ => pass(
            ID,
            format!(
                "{} of ended processes, dropped at the next start",
                count(dead, "reservation")
            ),
        ),
    }
}

fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The directories of VMs that no living process holds.
fn orphans(vms: &Path, live: &[Entry]) -> Vec<PathBuf> {
    let held = |name: &str| live.iter().any(|entry| entry.vm_id == name);
    older_than(vms, STARTING, |name| name.parse::<VmId>().is_ok() && !held(name))
}

/// Whether a name is that of a file that was written and never put in place.
fn is_unpublished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

/// What is in a directory under such a name and has not changed for that long, in the order of names.
fn older_than(dir: &Path, age: Duration, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .filter(|entry| {
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|elapsed| elapsed > age))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::SystemTime;

    use super::*;
    use crate::object::Status;

    fn age(path: &Path, age: Duration) {
        let times = FileTimes::new().set_modified(SystemTime::now() - age);
        File::open(path).unwrap().set_times(times).unwrap();
    }

    #[test]
    fn only_what_is_old_and_not_held_is_left_over() {
        let base = tempfile::tempdir().unwrap();
        let settings = Settings::new(base.path().join("home"), base.path().join("cache"));
        assert_eq!(look(&settings).0.status, Status::Pass);
        let vms = settings.home.join("vms");
        let partial = settings.cache_dir.join("downloads").join("partial");
        for dir in [
            vms.join("0123456789ab"),
            vms.join("abcdefabcdef"),
            partial.clone(),
        ] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let blobs = ["old", "new"].map(|name| partial.join(name));
        for blob in &blobs {
            std::fs::write(blob, "").unwrap();
        }
        assert_eq!(look(&settings).0.status, Status::Pass);
        age(&vms.join("0123456789ab"), 2 * STARTING);
        age(&blobs[0], 2 * GIVEN_UP);
        let (check, value) = look(&settings);
        assert_eq!(check.status, Status::Warn);
        assert!(check.summary.starts_with("1 download"), "{}", check.summary);
        assert_eq!(value["ownerless_vms"], json!([vms.join("0123456789ab")]));
        assert_eq!(value["abandoned_downloads"], json!([blobs[0]]));
    }

    #[test]
    fn a_register_that_cannot_be_read_is_named() {
        let base = tempfile::tempdir().unwrap();
        let settings = Settings::new(base.path(), base.path());
        std::fs::write(base.path().join("admission.json"), "{").unwrap();
        let (check, _) = look(&settings);
        assert!(check.fix.unwrap().contains("admission.json"));
    }
}
