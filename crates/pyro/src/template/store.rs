//! Templates on disk.
//!
//! ```text
//! cache/templates/{key}/          one template: template.json, memory, devices, disk
//! cache/templates/{key}.lock      held by whoever makes it
//! cache/templates/.draft-{key}/   one that is being made, under that lock
//! cache/templates/.gone-{random}/ one that is being removed
//! ```
//!
//! A directory gets its key for a name when everything in it is synced, and is never changed afterwards: a template is
//! there as a whole or not at all. Whoever has one open keeps its files; a removal takes their names away.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::TemplateError;
use super::inputs::TemplateInputs;
use crate::digest::changed_ns;
use crate::held_lock::HeldLock;
use crate::{dirs, space};

/// The format of the records that this build writes; it reads no other, as a template can be made again.
const FORMAT: u32 = 1;

const RECORD: &str = "template.json";

/// The files of a template besides its record.
const PARTS: [&str; 3] = ["memory", "devices", "disk"];

/// What the name of a key's lock ends with.
pub(super) const LOCK: &str = ".lock";

/// What the name of a template in the making begins with.
pub(super) const DRAFT: &str = ".draft-";

/// What the name of a template that is being removed begins with.
pub(super) const GONE: &str = ".gone-";

/// What is written down of a template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TemplateRecord {
    pub(super) format: u32,
    pub(super) inputs: TemplateInputs,
    pub(super) boot_nonce: String,
    pub(super) created_at: String,
    parts: [Seal; 3],
}

/// By what a file is known to be unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    size: u64,
    inode: u64,
    changed_ns: i128,
}

impl Seal {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            inode: metadata.ino(),
            changed_ns: changed_ns(metadata),
        }
    }
}

/// The templates of a cache directory. Making one touches nothing.
#[derive(Debug, Clone)]
pub(crate) struct TemplateStore {
    dir: PathBuf,
}

/// A template, open for restoring machines from it.
#[derive(Debug)]
pub(crate) struct Template {
    /// What the machine's agent answers with until it gets a nonce of its own.
    pub(crate) boot_nonce: String,
    /// The guest's memory, open for reading.
    pub(crate) memory: OwnedFd,
    /// The state of the machine's devices, open for reading.
    pub(crate) devices: OwnedFd,
    /// The machine's own disk as it was then, open for reading.
    pub(crate) disk: File,
    /// Where it is.
    pub(crate) place: Place,
}

/// Where a template is.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

/// The leave to make one template; nobody else makes it meanwhile.
#[derive(Debug)]
pub(crate) struct Maker {
    store: TemplateStore,
    inputs: TemplateInputs,
    _lock: HeldLock,
}

/// A template in the making. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Draft {
    dir: PathBuf,
    published: bool,
}

impl TemplateStore {
    /// The templates in this cache directory.
    pub(crate) fn new(cache_dir: &Path) -> Self {
        Self {
            dir: cache_dir.join("templates"),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the template with these inputs. One that is not what was made is removed, and counts as absent.
    ///
    /// # Errors
    /// If it is there and the system does not let it be opened.
    pub(crate) fn open(&self, inputs: &TemplateInputs) -> Result<Option<Template>, TemplateError> {
        let dir = self.dir.join(inputs.key());
        match open(&dir, inputs) {
            Ok(template) => Ok(Some(template)),
            // Should one without all its parts be in the way of a new one, that takes its place.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                tracing::debug!(dir = %dir.display(), %error, "a template is damaged");
                remove(&dir)?;
                Ok(None)
            }
            Err(source) => Err(failed("open", &dir)(source)),
        }
    }

    /// Waits until nobody else makes the template with these inputs.
    ///
    /// # Errors
    /// If the lock cannot be made.
    pub(crate) async fn lock(&self, inputs: TemplateInputs) -> Result<Maker, TemplateError> {
        dirs::ensure_private(&self.dir)?;
        let path = self.lock_path(&inputs.key());
        loop {
            let lock = open_lock(&path).map_err(failed("open", &path))?;
            let lock = locked(lock).await.map_err(failed("lock", &path))?;
            // A prune may have removed the file meanwhile: then another may be locking a new one.
            if is_current(&lock) {
                return Ok(Maker {
                    store: self.clone(),
                    inputs,
                    _lock: HeldLock::of(lock),
                });
            }
        }
    }

    /// Whether there is something under a key. Says nothing of what it is.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.dir.join(key).exists()
    }

    /// Where the lock of a key is.
    pub(super) fn lock_path(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{key}{LOCK}"))
    }

    /// The bytes that the file system has left for templates.
    ///
    /// # Errors
    /// If it does not say.
    pub(crate) fn free_bytes(&self) -> Result<u64, TemplateError> {
        space::free_bytes(&self.dir).map_err(failed("measure", &self.dir))
    }
}

impl Place {
    /// Removes what is there, so that nobody starts from it again.
    pub(crate) fn discard(self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(%error, "a template of no use was not removed");
        }
    }
}

impl Maker {
    /// Looks again: another may have made it before the lock was had.
    ///
    /// # Errors
    /// As [`TemplateStore::open`].
    pub(crate) fn open(&self) -> Result<Option<Template>, TemplateError> {
        self.store.open(&self.inputs)
    }

    /// Begins a template, in place of what a killed process left.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub(crate) fn begin(&self) -> Result<Draft, TemplateError> {
        let dir = self.store.dir.join(format!("{DRAFT}{}", self.inputs.key()));
        remove_tree(&dir)?;
        dirs::ensure_private(&dir)?;
        Ok(Draft {
            dir,
            published: false,
        })
    }

    /// Makes the draft the template with these inputs.
    ///
    /// # Errors
    /// If a part cannot be written out; the draft is removed.
    pub(crate) fn publish(&self, mut draft: Draft, boot_nonce: String) -> Result<(), TemplateError> {
        let mut parts = Vec::new();
        for name in PARTS {
            let path = draft.dir.join(name);
            parts.push(seal(&path).map_err(failed("write", &path))?);
        }
        let parts = <[Seal; 3]>::try_from(parts).expect("a seal for each part");
        let record = TemplateRecord {
            format: FORMAT,
            inputs: self.inputs.clone(),
            boot_nonce,
            created_at: jiff::Timestamp::now().to_string(),
            parts,
        };
        let bytes =
            serde_json::to_vec_pretty(&record).expect("records have string keys and no other way to fail");
        dirs::publish(&draft.dir, RECORD, &bytes)?;
        tracing::debug!("the template is written");
        let place = self.store.dir.join(self.inputs.key());
        // Only one that is damaged can be in the way.
        remove(&place)?;
        fs_err::rename(&draft.dir, &place).map_err(failed("create", &place))?;
        draft.published = true;
        tracing::debug!("the template is in place");
        let sync = || File::open(&self.store.dir)?.sync_all();
        sync().map_err(failed("sync", &self.store.dir))
    }
}

impl Draft {
    /// A new file for the guest's memory, for reading and writing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn memory(&self) -> Result<File, TemplateError> {
        self.part(PARTS[0])
    }

    /// A new file for the state of the devices, for reading and writing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn devices(&self) -> Result<File, TemplateError> {
        self.part(PARTS[1])
    }

    /// A new file for the machine's own disk, for reading and writing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn disk(&self) -> Result<File, TemplateError> {
        self.part(PARTS[2])
    }

    fn part(&self, name: &str) -> Result<File, TemplateError> {
        let path = self.dir.join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.map_err(failed("create", &path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = remove_tree(&self.dir)
        {
            // The next one that makes it removes it, and so does a prune.
            tracing::warn!(%error, "an unfinished template was not removed");
        }
    }
}

/// Writes a part out, forbids to change it, and notes by what it is known again.
fn seal(path: &Path) -> io::Result<Seal> {
    let file = File::open(path)?;
    file.set_permissions(PermissionsExt::from_mode(0o400))?;
    file.sync_all()?;
    Ok(Seal::of(&file.metadata()?))
}

fn open(dir: &Path, inputs: &TemplateInputs) -> io::Result<Template> {
    let mut record_file = File::open(dir.join(RECORD))?;
    let record = parse(&mut record_file)?;
    if record.inputs != *inputs {
        return Err(damage("it was made of something else"));
    }
    let open_part = |index: usize| {
        let file = File::open(dir.join(PARTS[index]))?;
        if Seal::of(&file.metadata()?) == record.parts[index] {
            Ok(file)
        } else {
            Err(damage("a part of it was changed"))
        }
    };
    let template = Template {
        boot_nonce: record.boot_nonce.clone(),
        memory: open_part(0)?.into(),
        devices: open_part(1)?.into(),
        disk: open_part(2)?,
        place: Place(dir.to_owned()),
    };
    // When it was last used decides what a prune keeps; not to know it costs a boot, nothing else.
    drop(record_file.set_modified(SystemTime::now()));
    Ok(template)
}

/// The record in a template's directory.
pub(super) fn read_record(dir: &Path) -> io::Result<TemplateRecord> {
    parse(&mut File::open(dir.join(RECORD))?)
}

/// When a template was last used.
pub(super) fn used_at(dir: &Path) -> io::Result<SystemTime> {
    fs_err::metadata(dir.join(RECORD))?.modified()
}

fn parse(file: &mut File) -> io::Result<TemplateRecord> {
    let record: TemplateRecord =
        serde_json::from_reader(io::BufReader::new(file)).map_err(|error| damage(&error.to_string()))?;
    if record.format == FORMAT {
        Ok(record)
    } else {
        Err(damage("it is of another format"))
    }
}

fn damage(problem: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem.to_owned())
}

/// Whether a lock that was just taken still has its name: only then do others wait for it.
pub(super) fn is_current(lock: &File) -> bool {
    lock.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Waits for the lock on a thread of its own, which nothing waits for: whoever gives up leaves it behind.
async fn locked(lock: File) -> io::Result<File> {
    match lock.try_lock() {
        Ok(()) => return Ok(lock),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let (done, waiting) = oneshot::channel();
    std::thread::Builder::new()
        .name("template lock".to_owned())
        .spawn(move || drop(done.send(lock.lock().map(|()| lock))))?;
    waiting.await.map_err(io::Error::other)?
}

/// Takes a template's name away at once, and then the rest.
pub(super) fn remove(dir: &Path) -> Result<(), TemplateError> {
    let gone = dir.with_file_name(format!("{GONE}{}", crate::random::hex::<8>()));
    match std::fs::rename(dir, &gone) {
        Ok(()) => remove_tree(&gone),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed("remove", dir)(source)),
    }
}

pub(super) fn remove_tree(dir: &Path) -> Result<(), TemplateError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", dir)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> TemplateError + use<> {
    let path = path.to_owned();
    move |source| TemplateError::File {
        action,
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::super::inputs::tests::inputs;
    use super::*;

    /// Makes a template whose parts hold their names.
    pub(in crate::template) async fn make(store: &TemplateStore, inputs: TemplateInputs) {
        let maker = store.lock(inputs).await.unwrap();
        let draft = maker.begin().unwrap();
        draft.memory().unwrap().write_all(b"memory").unwrap();
        draft.devices().unwrap().write_all(b"devices").unwrap();
        draft.disk().unwrap().write_all(b"disk").unwrap();
        maker.publish(draft, "00ff".to_owned()).unwrap();
    }

    fn store() -> (tempfile::TempDir, TemplateStore) {
        let cache = tempfile::tempdir().unwrap();
        let store = TemplateStore::new(cache.path());
        (cache, store)
    }

    fn names(store: &TemplateStore) -> Vec<String> {
        let entries = std::fs::read_dir(&store.dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_template_is_found_as_it_was_made() {
        let (_cache, store) = store();
        assert!(store.open(&inputs()).unwrap().is_none());
        make(&store, inputs()).await;
        let template = store.open(&inputs()).unwrap().unwrap();
        assert_eq!(template.boot_nonce, "00ff");
        assert_eq!(io::read_to_string(File::from(template.memory)).unwrap(), "memory");
        assert_eq!(
            names(&store),
            [inputs().key(), format!("{}.lock", inputs().key())]
        );
    }

    #[tokio::test]
    async fn a_changed_part_makes_it_absent() {
        let spoil: [fn(&Path); 4] = [
            |dir| std::fs::remove_file(dir.join("devices")).unwrap(),
            |dir| std::fs::write(dir.join(RECORD), "{").unwrap(),
            |dir| {
                std::fs::remove_file(dir.join("disk")).unwrap();
                std::fs::write(dir.join("disk"), "disk").unwrap();
            },
            |dir| {
                let memory = dir.join("memory");
                std::fs::set_permissions(&memory, PermissionsExt::from_mode(0o600)).unwrap();
                std::fs::write(&memory, "MEMORY").unwrap();
            },
        ];
        for spoil in spoil {
            let (_cache, store) = store();
            make(&store, inputs()).await;
            let dir = store.dir.join(inputs().key());
            spoil(&dir);
            assert!(store.open(&inputs()).unwrap().is_none());
            make(&store, inputs()).await;
            assert!(store.open(&inputs()).unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn what_is_not_published_leaves_nothing_and_what_was_killed_is_replaced() {
        let (_cache, store) = store();
        let maker = store.lock(inputs()).await.unwrap();
        let draft = maker.begin().unwrap();
        draft.memory().unwrap();
        drop(draft);
        assert_eq!(names(&store), [format!("{}.lock", inputs().key())]);
        let killed = maker.begin().unwrap();
        killed.memory().unwrap();
        std::mem::forget(killed);
        drop(maker);
        assert!(store.open(&inputs()).unwrap().is_none());
        make(&store, inputs()).await;
        assert!(store.open(&inputs()).unwrap().is_some());
    }

    #[tokio::test]
    async fn one_makes_it_and_the_other_finds_it() {
        let (_cache, store) = store();
        let maker = store.lock(inputs()).await.unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.lock(inputs()).await.unwrap().open().unwrap().is_some() }
        });
        let draft = maker.begin().unwrap();
        for part in PARTS {
            draft.part(part).unwrap();
        }
        assert!(!waiting.is_finished());
        maker.publish(draft, "00".to_owned()).unwrap();
        drop(maker);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn an_open_template_outlives_its_removal() {
        let (_cache, store) = store();
        make(&store, inputs()).await;
        let template = store.open(&inputs()).unwrap().unwrap();
        store.open(&inputs()).unwrap().unwrap().place.discard();
        assert!(store.open(&inputs()).unwrap().is_none());
        assert_eq!(io::read_to_string(template.disk).unwrap(), "disk");
    }
}
