//! What earlier runs left behind: VMs without owner, partial downloads, unfinished templates, unpublished files.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::finding::{pass, warn};
use crate::admission;
use crate::dirs;
use crate::leftover::{self, GIVEN_UP, older_than};
use crate::object::DoctorCheck;
use crate::run::HostDirs;
use crate::settings::Settings;
use crate::template::{self, TemplateStore};
use crate::vmm::cgroup;
use crate::workspace::{Kind, Store, overdue};

const ID: &str = "leftovers";

/// Looks for what nobody uses any more. Removes nothing.
pub(super) fn look(settings: &Settings) -> (DoctorCheck, Value) {
    let (reservations, damaged) = match admission::reservations(&settings.home) {
        Ok(entries) => (entries, None),
        Err(_) => (Vec::new(), Some(settings.home.join("admission.json"))),
    };
    let dead: Vec<_> = reservations
        .into_iter()
        .filter(|entry| !entry.is_live())
        .collect();
    let [workspaces, vms] = [Kind::Workspace, Kind::Vm].map(|kind| Store::of(kind, &settings.home));
    let unreadable: Vec<PathBuf> = [&workspaces, &vms]
        .into_iter()
        .flat_map(damaged_records)
        .collect();
    let expired = expired(&vms);
    let cache = &settings.cache_dir;
    let mut downloads = older_than(&cache.join("downloads").join("partial"), GIVEN_UP, |_| true);
    downloads.extend(older_than(&cache.join("installs"), GIVEN_UP, |name| {
        name.starts_with(".draft-")
    }));
    downloads.extend(older_than(cache, GIVEN_UP, |name| name.starts_with(".packages-")));
    let mut files = leftover::unpublished_files(settings);
    files.extend(workspaces.leftovers());
    files.extend(vms.leftovers());
    let abandoned = HostDirs::new(&settings.home).abandoned().into_iter();
    files.extend(abandoned.map(|(_, path)| path));
    let templates = template::leftovers(&TemplateStore::new(cache));
    let cgroups = cgroup::leftovers();
    let value = json!({
        "dead_reservations": dead.iter().map(|entry| &entry.vm_id).collect::<Vec<_>>(),
        "ownerless_vms": expired,
        "abandoned_downloads": downloads,
        "abandoned_files": files,
        "abandoned_templates": templates,
        "ownerless_cgroups": cgroups,
        "damaged_records": damaged.iter().chain(&unreadable).collect::<Vec<_>>(),
    });
    let paths: Vec<_> = damaged.into_iter().chain(unreadable).collect();
    let prunable = files.len() + templates.len() + expired.len();
    let passing = Passing {
        reservations: dead.len(),
        cgroups: cgroups.len(),
    };
    (judge(&paths, downloads.len(), prunable, passing), value)
}

/// What ended processes left and the next start drops by itself.
#[derive(Debug, Clone, Copy)]
struct Passing {
    reservations: usize,
    cgroups: usize,
}

fn judge(paths: &[PathBuf], downloads: usize, prunable: usize, passing: Passing) -> DoctorCheck {
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
    if prunable > 0 {
        return warn(
            ID,
            format!(
                "{} that nobody finished or came back to",
                count(prunable, "file, template or VM")
            ),
            "remove what nobody finishes or comes back to: `pyro prune --yes`",
        );
    }
    let kinds = [(passing.reservations, "reservation"), (passing.cgroups, "cgroup")];
    let left: Vec<_> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, thing)| count(number, thing))
        .collect();
    if left.is_empty() {
        return pass(ID, "nothing is left behind");
    }
    pass(
        ID,
        format!(
            "{} of ended processes, dropped at the next start",
            left.join(" and ")
        ),
    )
}

fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The directories of workspaces or VMs whose records cannot be read.
fn damaged_records(store: &Store) -> Vec<PathBuf> {
    let found = store.all().unwrap_or_default();
    let damaged = found.into_iter().filter(|found| found.record.is_err());
    damaged.map(|found| store.dir(found.id)).collect()
}

/// The directories of VMs whose time is over and that no supervisor removes.
fn expired(store: &Store) -> Vec<PathBuf> {
    let now = Timestamp::now();
    let found = store.all().unwrap_or_default().into_iter();
    let expired = found.filter(|found| overdue(found, now).is_some());
    expired.map(|found| store.dir(found.id)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::object::Status;
    use crate::workspace::vm_record;

    fn age(path: &Path, age: Duration) {
        let times = FileTimes::new().set_modified(SystemTime::now() - age);
        File::open(path).unwrap().set_times(times).unwrap();
    }

    #[test]
    fn only_a_download_that_is_old_is_left_over() {
        let base = tempfile::tempdir().unwrap();
        let settings = Settings::new(base.path().join("home"), base.path().join("cache"));
        assert_eq!(look(&settings).0.status, Status::Pass);
        let partial = settings.cache_dir.join("downloads").join("partial");
        std::fs::create_dir_all(&partial).unwrap();
        let blobs = ["old", "new"].map(|name| partial.join(name));
        for blob in &blobs {
            std::fs::write(blob, "").unwrap();
        }
        assert_eq!(look(&settings).0.status, Status::Pass);
        age(&blobs[0], 2 * GIVEN_UP);
        let (check, value) = look(&settings);
        assert_eq!(check.status, Status::Warn);
        assert!(check.summary.starts_with("1 download"), "{}", check.summary);
        assert_eq!(value["abandoned_downloads"], json!([blobs[0]]));
    }

    #[test]
    fn a_vm_whose_time_is_over_is_for_prune_and_one_without_record_is_named() {
        let base = tempfile::tempdir().unwrap();
        let settings = Settings::new(base.path().join("home"), base.path().join("cache"));
        let store = Store::of(Kind::Vm, &settings.home);
        let [kept, expired] = ["0123456789ab", "abcdefabcdef"].map(|id| id.parse().unwrap());
        for (id, age) in [(kept, 0), (expired, 61)] {
            store
                .create(&vm_record(id, Timestamp::now() - Duration::from_secs(age)))
                .unwrap();
        }
        let (check, value) = look(&settings);
        assert_eq!(value["ownerless_vms"], json!([store.dir(expired)]));
        assert_eq!(check.status, Status::Warn);
        assert!(check.fix.unwrap().contains("`pyro prune --yes`"));

        std::fs::remove_file(store.dir(kept).join("record.json")).unwrap();
        let (check, value) = look(&settings);
        assert_eq!(value["damaged_records"], json!([store.dir(kept)]));
        assert!(check.fix.unwrap().contains(kept.as_str()));
    }

    #[test]
    fn what_the_next_start_drops_is_no_problem() {
        let (reservations, cgroups) = (2, 1);
        let check = judge(
            &[],
            0,
            0,
            Passing {
                reservations,
                cgroups,
            },
        );
        assert_eq!(
            (check.status, check.summary.as_str()),
            (
                Status::Pass,
                "2 reservations and 1 cgroup of ended processes, dropped at the next start"
            )
        );
    }

    #[test]
    fn a_template_that_nobody_finishes_is_for_prune() {
        let base = tempfile::tempdir().unwrap();
        let settings = Settings::new(base.path().join("home"), base.path().join("cache"));
        let draft = settings
            .cache_dir
            .join(format!("templates/.draft-{}", "0f".repeat(32)));
        std::fs::create_dir_all(&draft).unwrap();
        let (check, value) = look(&settings);
        assert_eq!(check.status, Status::Warn);
        assert_eq!(value["abandoned_templates"], json!([draft]));
        assert!(check.fix.unwrap().contains("`pyro prune --yes`"));
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
