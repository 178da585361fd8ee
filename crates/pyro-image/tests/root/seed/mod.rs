//! Seeds: host directories and archives in, one image out.

mod archive;
mod change;
mod directory;
mod git;
mod large;
mod reader;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use pyro_image::seed::{
    SeedError, SeedImage, SeedLimits, SeedOptions, SeedOwner, SeedPlan, build_seed_image,
};
use tempfile::TempDir;

use crate::image::{File, Image, check};

const OWNER: SeedOwner = SeedOwner { uid: 1000, gid: 100 };

/// A seed in the making, and a place for its image.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("seed")).unwrap();
        Self { dir }
    }

    /// The directory that is the seed.
    fn seed(&self) -> PathBuf {
        self.dir.path().join("seed")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.seed().join(below)
    }

    /// Writes a file of the seed, with the directories above it.
    fn file(&self, below: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn dir(&self, below: &str) -> &Self {
        std::fs::create_dir_all(self.path(below)).unwrap();
        self
    }

    fn plan(&self) -> SeedPlan {
        plan(&self.seed(), &SeedOptions::default()).unwrap()
    }

    fn build(&self) -> (Image, SeedImage) {
        self.build_with(&SeedOptions::default())
    }

    fn build_with(&self, options: &SeedOptions) -> (Image, SeedImage) {
        build(&self.seed(), options)
    }
}

fn plan(path: &Path, options: &SeedOptions) -> Result<SeedPlan, SeedError> {
    SeedPlan::new(path, options, &mut |_| {}, &AtomicBool::new(false))
}

fn write(plan: SeedPlan, out: &Path) -> Result<SeedImage, SeedError> {
    build_seed_image(plan, out, OWNER, &mut |_| {}, &AtomicBool::new(false))
}

/// Builds the image of a seed, has it judged, and reads it.
fn build(seed: &Path, options: &SeedOptions) -> (Image, SeedImage) {
    let home = TempDir::new().unwrap();
    let out = home.path().join("seed.erofs");
    let built = write(plan(seed, options).unwrap(), &out).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(built.size_bytes, bytes.len() as u64);
    assert_eq!(bytes.len() % 4096, 0);
    check(&out);
    let image = Image::read(&bytes);
    assert_eq!(built.entry_count, image.files.len() as u64 - 1);
    (image, built)
}

fn limits(entries: u64, content_bytes: u64, metadata_bytes: u64) -> SeedOptions {
    SeedOptions {
        limits: SeedLimits {
            entries,
            content_bytes,
            metadata_bytes,
        },
        ..SeedOptions::default()
    }
}

/// What an image should say of a file, and whether it does.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    mode: u32,
    mtime: (i64, u32),
    links: u64,
    content: Vec<u8>,
}

impl Facts {
    fn of_image(file: &File) -> Self {
        assert_eq!(file.owner, (OWNER.uid, OWNER.gid));
        assert!(file.xattrs.is_empty());
        let is_directory = file.mode & 0o170_000 == 0o040_000;
        Self {
            mode: file.mode,
            mtime: file.mtime,
            links: if is_directory { 0 } else { file.links.into() },
            content: if is_directory {
                Vec::new()
            } else {
                file.content.clone()
            },
        }
    }

    /// How many names a directory has depends on the file system that it is on.
    fn of_host(path: &Path) -> Self {
        let metadata = std::fs::symlink_metadata(path).unwrap();
        let (links, content) = match () {
            () if metadata.is_dir() => (0, Vec::new()),
            () if metadata.is_symlink() => {
                let target = std::fs::read_link(path).unwrap();
                (metadata.nlink(), target.as_os_str().as_bytes().to_vec())
            }
            () => (metadata.nlink(), std::fs::read(path).unwrap()),
        };
        Self {
            mode: metadata.permissions().mode(),
            mtime: (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap()),
            links,
            content,
        }
    }
}

fn facts_of_image(image: &Image) -> BTreeMap<Vec<u8>, Facts> {
    let facts = |(path, file): (&Vec<u8>, &File)| (path.clone(), Facts::of_image(file));
    image.files.iter().map(facts).collect()
}

/// All that is below a directory of the host, by path as in an image.
fn facts_of_host(root: &Path) -> BTreeMap<Vec<u8>, Facts> {
    let mut facts = BTreeMap::new();
    let mut ahead = vec![root.to_path_buf()];
    while let Some(path) = ahead.pop() {
        if std::fs::symlink_metadata(&path).unwrap().is_dir() {
            ahead.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let below = path.strip_prefix(root).unwrap();
        let name = [b"/", below.as_os_str().as_bytes()].concat();
        facts.insert(name, Facts::of_host(&path));
    }
    facts
}

/// What was left out, as `path:reason`, sorted.
fn skipped(built: &SeedImage) -> Vec<String> {
    let mut all: Vec<_> = built
        .skipped
        .iter()
        .map(|skipped| format!("{}:{}", String::from_utf8_lossy(&skipped.path), skipped.reason))
        .collect();
    all.sort();
    all
}
