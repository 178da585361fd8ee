//! Root images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::host::Failure;
use crate::input;

/// What a machine's root is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// The environment that the tests are given.
    Environment,
    /// `/bin/busybox` and nothing else.
    OneProgram,
    /// Bytes that are no file system.
    Noise,
}

/// A root image; what was made for a test goes with it.
#[derive(Debug)]
pub(crate) struct ImageFile {
    path: PathBuf,
    _files: Option<TempDir>,
}

impl Image {
    /// Finds the image or makes it.
    pub(crate) fn make(self) -> Result<ImageFile, Failure> {
        if self == Self::Environment {
            let path = input::environment_image()?;
            return Ok(ImageFile { path, _files: None });
        }
        let files = TempDir::with_prefix("pyro-agent-image-")?;
        let path = files.path().join("root.erofs");
        if self == Self::OneProgram {
            let bin = files.path().join("root/bin");
            fs::create_dir_all(&bin)?;
            fs::copy(input::program("busybox", "busybox-static")?, bin.join("busybox"))?;
            let mut mkfs = Command::new(input::program("mkfs.erofs", "erofs-utils")?);
            input::output(mkfs.arg(&path).arg(files.path().join("root")))?;
        } else {
            fs::write(&path, [0xa5; 1 << 20])?;
        }
        Ok(ImageFile {
            path,
            _files: Some(files),
        })
    }
}

impl ImageFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
