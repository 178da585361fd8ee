//! Makes layers for tests and builds images of them.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use pyro_image::root::{LayerFile, RootError, RootImage, RootLimits, build_root};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tempfile::TempDir;

use crate::image::Image;

/// A tar archive in the making. Each method adds one entry.
#[derive(Default)]
pub(crate) struct Layer(Vec<u8>);

impl Layer {
    pub(crate) fn dir(self, name: &str, mode: u32) -> Self {
        self.entry(name.as_bytes(), b"", |header| {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(mode);
        })
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.raw_file(name.as_bytes(), content.as_ref())
    }

    pub(crate) fn raw_file(self, name: &[u8], content: &[u8]) -> Self {
        self.entry(name, content, |_| {})
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.link(EntryType::Symlink, name, target)
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.link(EntryType::Link, name, target)
    }

    pub(crate) fn device(self, name: &str, kind: EntryType, major: u32, minor: u32) -> Self {
        self.entry(name.as_bytes(), b"", |header| {
            header.set_entry_type(kind);
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        })
    }

    /// Puts records of an extended header before the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let digits = (1..)
                .find(|digits| (rest + digits).to_string().len() == *digits)
                .unwrap();
            write!(data, "{} {key}=", rest + digits).unwrap();
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.entry(b"PaxHeader", &data, |header| {
            header.set_entry_type(EntryType::XHeader);
        })
    }

    /// Adds an entry whose header `change` completes. A name that does not fit gets a GNU long name.
    pub(crate) fn entry(mut self, name: &[u8], content: &[u8], change: impl FnOnce(&mut Header)) -> Self {
        if name.len() > 100 {
            self = self.long(EntryType::GNULongName, name);
        }
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        header.set_entry_type(EntryType::Regular);
        let short = &name[..name.len().min(100)];
        header.as_old_mut().name[..short.len()].copy_from_slice(short);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Adds bytes that are no entry.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn link(self, kind: EntryType, name: &str, target: &str) -> Self {
        let mut layer = self;
        if target.len() > 100 {
            layer = layer.long(EntryType::GNULongLink, target.as_bytes());
        }
        layer.entry(name.as_bytes(), b"", |header| {
            header.set_entry_type(kind);
            let short = &target.as_bytes()[..target.len().min(100)];
            header.as_old_mut().linkname[..short.len()].copy_from_slice(short);
        })
    }

    fn long(self, kind: EntryType, text: &[u8]) -> Self {
        let data = [text, b"\0"].concat();
        self.entry(b"././@LongLink", &data, |header| header.set_entry_type(kind))
    }

    /// Ends the archive.
    pub(crate) fn tar(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 1).unwrap()
}

pub(crate) fn sha256(data: &[u8]) -> String {
    let digits: String = Sha256::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digits}")
}

/// Blobs in a directory of their own, from which images are built.
pub(crate) struct Blobs {
    pub(crate) home: TempDir,
    pub(crate) layers: Vec<LayerFile>,
}

impl Blobs {
    pub(crate) fn new(blobs: &[Vec<u8>]) -> Self {
        let home = TempDir::new().unwrap();
        let mut layers = Vec::new();
        for (at, blob) in blobs.iter().enumerate() {
            let path = home.path().join(format!("layer{at}"));
            std::fs::write(&path, blob).unwrap();
            layers.push(LayerFile { path, diff_id: None });
        }
        Self { home, layers }
    }

    pub(crate) fn build(&self, out: &Path) -> Result<RootImage, RootError> {
        self.build_within(out, RootLimits::default())
    }

    pub(crate) fn build_within(&self, out: &Path, limits: RootLimits) -> Result<RootImage, RootError> {
        build_root(&self.layers, out, limits, &mut |_| {}, &AtomicBool::new(false))
    }

    pub(crate) fn try_image(&self) -> Result<Image, RootError> {
        let out = self.home.path().join("root.erofs");
        let built = self.build(&out)?;
        let bytes = std::fs::read(&out).unwrap();
        assert_eq!(built.size_bytes, bytes.len() as u64);
        assert_eq!(built.digest, sha256(&bytes));
        crate::image::check(&out);
        let image = Image::read(&bytes);
        assert_eq!(built.entry_count, image.files.len() as u64);
        Ok(image)
    }
}

/// Builds an image of layers and reads it.
pub(crate) fn image(layers: impl IntoIterator<Item = Layer>) -> Image {
    let blobs: Vec<_> = layers.into_iter().map(Layer::tar).collect();
    Blobs::new(&blobs).try_image().unwrap()
}

/// Builds an image of layers that must be refused, and returns the whole message.
pub(crate) fn refusal(layers: impl IntoIterator<Item = Layer>) -> String {
    let blobs: Vec<_> = layers.into_iter().map(Layer::tar).collect();
    blob_refusal(&blobs)
}

/// Builds an image of blobs that must be refused, and returns the whole message.
pub(crate) fn blob_refusal(blobs: &[Vec<u8>]) -> String {
    let blobs = Blobs::new(blobs);
    let out = blobs.home.path().join("root.erofs");
    let error = blobs.build(&out).unwrap_err();
    assert!(!out.exists(), "a failed build leaves no file");
    chain(&error)
}

/// An error with its causes, which all differ.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
