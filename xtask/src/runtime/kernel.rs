//! Gets the guest's kernel: Debian's cloud kernel, by the host's own package tool, without installing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::child::output;
use crate::runtime::elf::Elf;
use crate::runtime::modules::{Module, Modules, Wanted};
use crate::runtime::{bzimage, mebibytes};
use crate::{Context, digest, say};

/// Depends on the newest kernel of its kind.
const META_PACKAGE: &str = "linux-image-cloud-amd64";
const PACKAGE_LISTS: &str = "/var/lib/apt/lists";
/// Raised when the same package shall give other files.
const FORMAT: &str = "2";

/// A kernel in the build cache, ready for use.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Tells its content from any other's.
    pub(crate) id: String,
    /// What `uname -r` says in the guest.
    pub(crate) release: String,
    /// The modules it needs, in the order to load them.
    pub(crate) modules: Vec<Module>,
    dir: PathBuf,
}

impl Kernel {
    /// The uncompressed kernel.
    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.dir.join("vmlinux")
    }

    /// A module's file.
    pub(crate) fn module(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.ko"))
    }
}

/// A package in the distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// What the package lists said when they were last read.
#[derive(Debug, Serialize, Deserialize)]
struct Resolution {
    lists: String,
    package: Package,
}

/// What is written last into a kernel's directory.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    release: String,
    modules: Vec<Module>,
}

/// Brings the kernel that the package lists name into the cache, with these modules and what they depend on.
pub(crate) fn prepare(context: &Context, wanted: &[Wanted]) -> Result<Kernel> {
    let _lock = context.layout.lock_cache()?;
    let cache = context.layout.cache.join("kernel");
    fs::create_dir_all(&cache)?;
    let package = resolve(context, &cache)?;
    let names = wanted
        .iter()
        .flat_map(|module| [module.name, module.bus.unwrap_or_default()]);
    let recipe = digest::of_parts([FORMAT].into_iter().chain(names));
    let id = format!("{}_{}_{}", package.name, package.version, &recipe[..8]);
    let dir = cache.join(&id);
    if !dir.join("kernel.json").exists() {
        let archive = download(context, &cache, &package)?;
        extract(context, &archive, &dir, wanted)?;
    }
    let record: Record = serde_json::from_slice(&fs::read(dir.join("kernel.json"))?)
        .with_context(|| format!("{} is damaged: remove it", dir.display()))?;
    Ok(Kernel {
        id,
        release: record.release,
        modules: record.modules,
        dir,
    })
}

/// The package that the meta package stands for. Asking takes seconds, so the answer is kept until the lists change.
fn resolve(context: &Context, cache: &Path) -> Result<Package> {
    let kept = cache.join("package.json");
    if let Ok(bytes) = fs::read(&kept)
        && let Ok(resolution) = serde_json::from_slice::<Resolution>(&bytes)
        && resolution.lists == lists_state()?
    {
        return Ok(resolution.package);
    }
    let package = match ask() {
        Ok(package) => package,
        Err(_) if !has_lists()? => {
            let mut update = apt_get();
            context
                .run("update package lists", update.arg("update"))
                .context("the host has no package lists; run `apt-get update` as root")?;
            ask()?
        }
        Err(error) => return Err(error),
    };
    let lists = lists_state()?;
    let package_found = package.clone();
    fs::write(&kept, serde_json::to_vec(&Resolution { lists, package })?)?;
    Ok(package_found)
}

fn ask() -> Result<Package> {
    let text = output(Command::new("apt-cache").args(["show", "--no-all-versions", META_PACKAGE]))?;
    dependency(&text).with_context(|| format!("{META_PACKAGE} depends on no kernel of one version"))
}

/// The dependency in `Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)`.
fn dependency(stanza: &str) -> Option<Package> {
    let depends = stanza.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    depends.split(", ").find_map(|item| {
        let (name, version) = item.split_once(" (= ")?;
        name.starts_with("linux-image-").then(|| Package {
            name: name.to_owned(),
            version: version.trim_end_matches(')').to_owned(),
        })
    })
}

/// Names, sizes and times of the package lists.
fn lists_state() -> Result<String> {
    let mut state = BTreeMap::new();
    for entry in fs::read_dir(PACKAGE_LISTS)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            let age = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            state.insert(name, format!("{} {}", metadata.len(), age.as_nanos()));
        }
    }
    let parts = state.iter().flat_map(|(name, value)| [name.as_str(), value]);
    Ok(digest::of_parts(parts))
}

fn has_lists() -> Result<bool> {
    let mut names =
        fs::read_dir(PACKAGE_LISTS)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.any(|name| name.contains("_Packages")))
}

/// As root, apt would download as another user, who cannot write into the cache.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-o", "APT::Sandbox::User=root"]);
    command
}

fn download(context: &Context, cache: &Path, package: &Package) -> Result<PathBuf> {
    if let Some(found) = archive(cache, package)? {
        return Ok(found);
    }
    let wanted = format!("{}={}", package.name, package.version);
    let partial = cache.join("download");
    fs::create_dir_all(&partial)?;
    let mut command = apt_get();
    command.args(["download", &wanted]).current_dir(&partial);
    context
        .run("download kernel", &mut command)
        .context("cannot download the kernel; if the package lists are old, run `apt-get update` as root")?;
    let found = archive(&partial, package)?.context("apt-get downloaded nothing")?;
    let name = found.file_name().context("the package has no name")?;
    let kept = cache.join(name);
    fs::rename(&found, &kept)?;
    Ok(kept)
}

/// The package's file, if it is there. Its name escapes the colon of an epoch.
fn archive(dir: &Path, package: &Package) -> Result<Option<PathBuf>> {
    let start = format!("{}_{}_", package.name, package.version.replace(':', "%3a"));
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with(&start) && name.ends_with(".deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Takes what a guest needs out of the package.
fn extract(context: &Context, archive: &Path, dir: &Path, wanted: &[Wanted]) -> Result<()> {
    let unpacked = dir.with_extension("unpacked");
    let new = dir.with_extension("new");
    for leftover in [&unpacked, &new, &dir.to_owned()] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    fs::create_dir_all(&new)?;
    let mut unpack = Command::new("dpkg-deb");
    context.run("unpack kernel", unpack.arg("-x").arg(archive).arg(&unpacked))?;

    let release = only_entry(&unpacked.join("lib/modules"))?;
    let image = fs::read(unpacked.join(format!("boot/vmlinuz-{release}")))?;
    let vmlinux = bzimage::unpack(&image)?;
    ensure!(
        Elf::parse(&vmlinux)?.has_pvh_entry(),
        "the kernel {release} has no PVH entry"
    );
    fs::write(new.join("vmlinux"), &vmlinux)?;

    let found = Modules::scan(&unpacked.join("lib/modules").join(&release))?.closure(wanted)?;
    for (module, file) in &found {
        fs::copy(file, new.join(format!("{}.ko", module.name)))?;
    }
    let modules: Vec<Module> = found.into_iter().map(|(module, _)| module).collect();
    say::note(&format!(
        "{release}: {:.1} MiB and {} modules",
        mebibytes(vmlinux.len() as u64),
        modules.len()
    ));
    fs::write(
        new.join("kernel.json"),
        serde_json::to_vec_pretty(&Record { release, modules })?,
    )?;
    fs::remove_dir_all(&unpacked)?;
    fs::rename(&new, dir)?;
    Ok(())
}

fn only_entry(dir: &Path) -> Result<String> {
    let names: Vec<_> = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) => bail!("{} should hold one kernel, and holds {names:?}", dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meta_package_names_package_and_version() {
        let stanza = "Package: linux-image-cloud-amd64\nDepends: linux-base, linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n";
        let expected = Package {
            name: "linux-image-6.1.0-56-cloud-amd64".into(),
            version: "6.1.192-2".into(),
        };
        assert_eq!(dependency(stanza), Some(expected));
        assert_eq!(dependency("Depends: linux-base\n"), None);
    }

    #[test]
    fn a_downloaded_package_is_found_by_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let package = |version: &str| Package {
            name: "linux-image-x".into(),
            version: version.into(),
        };
        fs::write(dir.path().join("linux-image-x_1%3a6.1-2_amd64.deb"), "").unwrap();
        assert!(archive(dir.path(), &package("1:6.1-2")).unwrap().is_some());
        assert!(archive(dir.path(), &package("6.1-2")).unwrap().is_none());
    }
}
