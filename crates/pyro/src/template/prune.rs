//! Removing templates that no longer serve, and what was left of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::TemplateError;
use super::store::{self, DRAFT, GONE, LOCK, TemplateRecord, TemplateStore, failed};
use crate::held_lock::HeldLock;
use crate::object::{KeptItem, PruneKind, PrunedItem, Pruning};
use crate::space::Space;

/// How long a removal may take; what is left of it later was given up.
const REMOVING: Duration = Duration::from_secs(60);

/// By what a template is judged.
#[derive(Debug)]
pub(crate) struct Serving<'a> {
    /// The digests of the kernel and the initramfs that VMs boot now.
    pub(crate) runtime: [&'a str; 2],
    /// The names of the installed environments, by the digest of their root file system image.
    pub(crate) roots: &'a BTreeMap<String, String>,
    /// How long a template may go unused.
    pub(crate) unused_for: Duration,
}

/// Removes what no longer serves; with `dry_run`, only tells what that is.
///
/// # Errors
/// If the store cannot be read or changed. What was removed before stays removed.
pub(crate) fn prune(
    templates: &TemplateStore,
    serving: &Serving<'_>,
    dry_run: bool,
) -> Result<Pruning, TemplateError> {
    let mut pruner = Pruner {
        templates,
        serving,
        dry_run,
        report: Pruning::default(),
    };
    let found = Found::look(templates.dir())?;
    for key in &found.keys {
        pruner.judge(key)?;
    }
    for dir in found.gone {
        let name = name_of(&dir);
        pruner.note(
            PruneKind::Template,
            name,
            &dir,
            "its removal was not finished".to_owned(),
        );
        if !dry_run {
            store::remove_tree(&dir)?;
        }
    }
    Ok(pruner.report)
}

/// All templates, finished or not, with their names for people.
///
/// # Errors
/// If the store is there and cannot be read.
pub(crate) fn list(
    templates: &TemplateStore,
    roots: &BTreeMap<String, String>,
) -> Result<Vec<(String, PathBuf)>, TemplateError> {
    let found = Found::look(templates.dir())?;
    let finished = found.keys.iter().map(|key| templates.dir().join(key));
    let drafts = found.keys.iter().map(|key| draft_path(templates, key));
    let dirs = finished.chain(drafts).chain(found.gone.iter().cloned());
    let named = dirs.filter(|dir| dir.exists()).map(|dir| {
        let record = store::read_record(&dir);
        (
            record.map_or_else(|_| name_of(&dir), |record| name(&record, roots)),
            dir,
        )
    });
    Ok(named.collect())
}

/// What killed processes left: drafts that nobody makes and removals that nobody finishes.
pub(crate) fn leftovers(templates: &TemplateStore) -> Vec<PathBuf> {
    let Ok(found) = Found::look(templates.dir()) else {
        return Vec::new();
    };
    let drafts = found.keys.iter().filter_map(|key| {
        let draft = draft_path(templates, key);
        let is_left = draft.exists()
            && matches!(
                try_lock(&templates.lock_path(key)),
                Ok(Lock::Absent | Lock::Taken(_))
            );
        is_left.then_some(draft)
    });
    let gone = found.gone.iter().filter(|dir| is_given_up(dir)).cloned();
    drafts.chain(gone).collect()
}

/// Templates by key and what is left of removed ones, in the order of names.
#[derive(Debug, Default)]
struct Found {
    keys: BTreeSet<String>,
    gone: BTreeSet<PathBuf>,
}

impl Found {
    fn look(dir: &Path) -> Result<Self, TemplateError> {
        let mut found = Self::default();
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            Err(source) => return Err(failed("list", dir)(source)),
        };
        for entry in entries {
            let path = entry.map_err(failed("list", dir))?.path();
            let name = name_of(&path);
            if name.starts_with(GONE) {
                found.gone.insert(path);
                continue;
            }
            let key = name.strip_prefix(DRAFT).unwrap_or(&name);
            let key = key.strip_suffix(LOCK).unwrap_or(key);
            // Whatever else is there is not of pyro's making.
            if key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                found.keys.insert(key.to_owned());
            }
        }
        Ok(found)
    }
}

#[derive(Debug)]
struct Pruner<'a> {
    templates: &'a TemplateStore,
    serving: &'a Serving<'a>,
    dry_run: bool,
    report: Pruning,
}

impl Pruner<'_> {
    /// Judges all that has one key. Its lock keeps makers away meanwhile.
    fn judge(&mut self, key: &str) -> Result<(), TemplateError> {
        let (template, draft) = (self.templates.dir().join(key), draft_path(self.templates, key));
        let lock_path = self.templates.lock_path(key);
        let lock = self.lock(&lock_path)?;
        if matches!(lock, Lock::Busy) {
            let path = if draft.exists() { draft } else { template };
            self.keep(
                PruneKind::Draft,
                key.to_owned(),
                &path,
                "it is being made".to_owned(),
            );
            return Ok(());
        }
        let was_left = draft.exists();
        if was_left {
            self.note(
                PruneKind::Draft,
                key.to_owned(),
                &draft,
                "nobody makes it".to_owned(),
            );
            if !self.dry_run {
                store::remove_tree(&draft)?;
            }
        }
        if template.exists() {
            let (name, verdict) = self.serving.judge(&template);
            let Err(reason) = verdict else {
                self.keep(PruneKind::Template, name, &template, "it serves".to_owned());
                return Ok(());
            };
            self.note(PruneKind::Template, name, &template, reason);
            if !self.dry_run {
                store::remove(&template)?;
            }
        } else if !was_left && matches!(lock, Lock::Taken(_)) {
            let reason = "there is no such template".to_owned();
            self.note(PruneKind::Lock, key.to_owned(), &lock_path, reason);
        }
        if self.dry_run || matches!(lock, Lock::Absent) {
            return Ok(());
        }
        // Whoever waits for this lock notices that it lost its name, and makes another.
        std::fs::remove_file(&lock_path).map_err(failed("remove", &lock_path))
    }

    /// The lock of a key; a dry run makes none.
    fn lock(&self, path: &Path) -> Result<Lock, TemplateError> {
        if !self.dry_run {
            drop(store::open_lock(path).map_err(failed("open", path))?);
        }
        try_lock(path)
    }

    fn note(&mut self, kind: PruneKind, name: String, path: &Path, reason: String) {
        let bytes = Space::of(path).used_bytes;
        self.report.freed_bytes += bytes;
        self.report.removed.push(PrunedItem {
            kind,
            name,
            path: path.to_owned(),
            bytes,
            reason,
        });
    }

    fn keep(&mut self, kind: PruneKind, name: String, path: &Path, reason: String) {
        self.report.kept.push(KeptItem {
            kind,
            name,
            path: path.to_owned(),
            bytes: Space::of(path).used_bytes,
            reason,
        });
    }
}

impl Serving<'_> {
    /// What a template is called, and why it no longer serves if it does not.
    fn judge(&self, dir: &Path) -> (String, Result<(), String>) {
        let Ok(record) = store::read_record(dir) else {
            return (name_of(dir), Err("its record cannot be read".to_owned()));
        };
        (name(&record, self.roots), self.judge_record(dir, &record))
    }

    fn judge_record(&self, dir: &Path, record: &TemplateRecord) -> Result<(), String> {
        if record.inputs.key() != name_of(dir) {
            return Err("it is not what its name says".to_owned());
        }
        if !record.inputs.fits(self.runtime) {
            return Err("pyro, its kernel, the VMM or the host is another than it was made with".to_owned());
        }
        if !self.roots.contains_key(&record.inputs.root) {
            return Err("its environment is not installed".to_owned());
        }
        // A clock that was set back makes it look as if used in the future: just now, then.
        let unused = store::used_at(dir).map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        match unused {
            Ok(unused) if unused < self.unused_for => Ok(()),
            Ok(unused) => Err(format!("not used for {}", roughly(unused))),
            Err(_) => Err("its record cannot be read".to_owned()),
        }
    }
}

/// What a template is called, for people.
fn name(record: &TemplateRecord, roots: &BTreeMap<String, String>) -> String {
    let machine = record.inputs.describe();
    match roots.get(&record.inputs.root) {
        Some(environment) => format!("{environment}: {machine}"),
        None => machine,
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn draft_path(templates: &TemplateStore, key: &str) -> PathBuf {
    templates.dir().join(format!("{DRAFT}{key}"))
}

/// Whether a removal is no longer under way.
fn is_given_up(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    // Renaming changes the status, and so does the removal of each file.
    let changed = std::fs::symlink_metadata(dir).map(|metadata| metadata.ctime());
    let changed = changed.ok().and_then(|seconds| u64::try_from(seconds).ok());
    let changed = changed.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    changed.is_some_and(|changed| changed.elapsed().is_ok_and(|elapsed| elapsed > REMOVING))
}

/// A key's lock, as it was found.
#[derive(Debug)]
enum Lock {
    /// There is none, so nobody holds it.
    Absent,
    /// Somebody makes the template.
    Busy,
    /// It is held, for as long as this lives.
    Taken(#[expect(dead_code, reason = "its life is what holds the lock")] HeldLock),
}

fn try_lock(path: &Path) -> Result<Lock, TemplateError> {
    let lock = match File::open(path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Lock::Absent),
        Err(source) => return Err(failed("open", path)(source)),
    };
    match lock.try_lock() {
        // One that lost its name was another prune's, which goes on under a new one.
        Ok(()) if store::is_current(&lock) => Ok(Lock::Taken(HeldLock::of(lock))),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(Lock::Busy),
        Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
    }
}

/// A duration in the largest unit of which it has one.
fn roughly(duration: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = duration.as_secs();
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = unit.copied().unwrap_or((1, "second"));
    let number = seconds / length;
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use super::super::inputs::tests::inputs;
    use super::super::store::tests::make;
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    /// What the templates of these tests are made for.
    fn roots() -> BTreeMap<String, String> {
        BTreeMap::from([("root".to_owned(), "debian:12".to_owned())])
    }

    fn prune_with(
        store: &TemplateStore,
        runtime: [&str; 2],
        roots: &BTreeMap<String, String>,
        dry: bool,
    ) -> Pruning {
        let serving = Serving {
            runtime,
            roots,
            unused_for: WEEK,
        };
        prune(store, &serving, dry).unwrap()
    }

    fn prune_now(store: &TemplateStore) -> Pruning {
        prune_with(store, ["kernel", "initramfs"], &roots(), false)
    }

    fn store() -> (tempfile::TempDir, TemplateStore) {
        let cache = tempfile::tempdir().unwrap();
        let store = TemplateStore::new(cache.path());
        (cache, store)
    }

    fn is_empty(store: &TemplateStore) -> bool {
        store.dir().read_dir().unwrap().next().is_none()
    }

    #[tokio::test]
    async fn a_template_that_serves_stays_and_is_named_for_people() {
        let (_cache, store) = store();
        make(&store, inputs()).await;
        let report = prune_now(&store);
        assert_eq!((report.removed, report.freed_bytes), (Vec::new(), 0));
        assert_eq!(
            report.kept[0].name,
            "debian:12: 1 vCPU, 512 MiB, 10 GiB, emulated"
        );
        assert!(report.kept[0].bytes > 0);
        assert!(store.open(&inputs()).unwrap().is_some());
    }

    #[tokio::test]
    async fn what_serves_no_more_goes_with_its_lock() {
        let usual = ["kernel", "initramfs"];
        let age = |dir: &Path| {
            let times = FileTimes::new().set_modified(SystemTime::now() - WEEK - Duration::from_secs(60));
            let record = File::open(dir.join("template.json")).unwrap();
            record.set_times(times).unwrap();
        };
        let spoil = |dir: &Path| std::fs::write(dir.join("template.json"), "{").unwrap();
        assert_goes(|_| {}, ["newer", "initramfs"], &roots(), "another").await;
        assert_goes(|_| {}, ["kernel", "newer"], &roots(), "another").await;
        assert_goes(|_| {}, usual, &BTreeMap::new(), "not installed").await;
        assert_goes(age, usual, &roots(), "not used for 7 days").await;
        assert_goes(spoil, usual, &roots(), "cannot be read").await;
    }

    /// Makes a template, changes it, and sees it go.
    async fn assert_goes(
        change: impl Fn(&Path),
        runtime: [&str; 2],
        roots: &BTreeMap<String, String>,
        reason: &str,
    ) {
        let (_cache, store) = store();
        make(&store, inputs()).await;
        let dir = store.dir().join(inputs().key());
        change(&dir);
        let tried = prune_with(&store, runtime, roots, true);
        assert!(dir.exists(), "a dry run removed it");
        let report = prune_with(&store, runtime, roots, false);
        assert_eq!(report.removed, tried.removed);
        assert_eq!(report.removed.len(), 1, "{report:?}");
        assert!(report.removed[0].reason.contains(reason), "{report:?}");
        assert_eq!(report.removed[0].bytes, report.freed_bytes);
        assert!(report.freed_bytes > 0 && is_empty(&store));
    }

    #[tokio::test]
    async fn what_is_being_made_stays_and_what_was_given_up_goes() {
        let (_cache, store) = store();
        let maker = store.lock(inputs()).await.unwrap();
        let draft = maker.begin().unwrap();
        draft.memory().unwrap();
        let report = prune_now(&store);
        assert_eq!(report.removed, []);
        assert_eq!(report.kept[0].kind, PruneKind::Draft);
        assert_eq!(leftovers(&store), Vec::<PathBuf>::new());
        std::mem::forget(draft);
        drop(maker);
        assert_eq!(leftovers(&store), [draft_path(&store, &inputs().key())]);
        let report = prune_now(&store);
        assert_eq!(report.removed.len(), 1);
        assert_eq!(report.removed[0].kind, PruneKind::Draft);
        assert!(report.kept.is_empty() && is_empty(&store));
    }

    #[tokio::test]
    async fn unfinished_removals_and_lone_locks_go() {
        let (_cache, store) = store();
        drop(store.lock(inputs()).await.unwrap());
        std::fs::create_dir(store.dir().join(".gone-0011")).unwrap();
        std::fs::write(store.dir().join(".gone-0011/memory"), "memory").unwrap();
        std::fs::write(store.dir().join("a file of the user's"), "").unwrap();
        // It may be under way.
        assert_eq!(leftovers(&store), Vec::<PathBuf>::new());
        let kinds: Vec<_> = prune_now(&store).removed.iter().map(|item| item.kind).collect();
        assert_eq!(kinds, [PruneKind::Lock, PruneKind::Template]);
        let left: Vec<_> = store
            .dir()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a file of the user's"]);
    }

    #[tokio::test]
    async fn who_waits_for_a_lock_that_goes_gets_one_that_others_wait_for() {
        let (_cache, store) = store();
        drop(store.lock(inputs()).await.unwrap());
        let path = store.lock_path(&inputs().key());
        let held = store::open_lock(&path).unwrap();
        held.lock().unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.lock(inputs()).await.unwrap() }
        });
        // On this one thread, the other task now runs until it waits for the lock.
        tokio::task::yield_now().await;
        std::fs::remove_file(&path).unwrap();
        drop(held);
        let _maker = waiting.await.unwrap();
        assert!(matches!(try_lock(&path), Ok(Lock::Busy)));
    }

    #[test]
    fn a_cache_without_templates_has_nothing_to_prune() {
        let (_cache, store) = store();
        let report = prune_now(&store);
        assert!(report.removed.is_empty() && report.kept.is_empty());
    }

    #[test]
    fn durations_are_told_in_their_largest_unit() {
        let told = |seconds| roughly(Duration::from_secs(seconds));
        assert_eq!(told(0), "0 seconds");
        assert_eq!(told(61), "1 minute");
        assert_eq!(told(7_200), "2 hours");
        assert_eq!(told(9 * 86_400 + 5), "9 days");
    }
}
