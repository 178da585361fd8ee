//! Which kernel modules a guest needs, and in what order they are loaded.
//!
//! The package has no `modules.dep`: that is made when it is installed. Each module names what it depends on in its
//! section `.modinfo`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::runtime::elf::Elf;

/// A module that somebody uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    /// The bus of the machines that need it; all need one without.
    pub(crate) bus: Option<&'static str>,
}

/// What the agent uses of the kernel. What is built in needs no file.
pub(crate) const WANTED: [Wanted; 8] = [
    always("virtio_blk"),
    always("erofs"),
    always("ext4"),
    always("overlay"),
    on_bus("virtio_pci", "pci"),
    on_bus("virtio_console", "pci"),
    on_bus("virtio_mmio", "mmio"),
    on_bus("vmw_vsock_virtio_transport", "mmio"),
];

/// A module for every machine.
pub(crate) const fn always(name: &'static str) -> Wanted {
    Wanted { name, bus: None }
}

const fn on_bus(name: &'static str, bus: &'static str) -> Wanted {
    Wanted { name, bus: Some(bus) }
}

/// A module, as it is kept and loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Module {
    pub(crate) name: String,
    /// The bus of the machines that need it; all need one without.
    pub(crate) bus: Option<String>,
}

/// The modules of one kernel.
pub(crate) struct Modules {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

/// What a module says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Info {
    /// Modules that must be there before.
    depends: Vec<String>,
    /// Modules that should be there before.
    softdeps: Vec<String>,
}

impl Info {
    /// Everything that is to be there before.
    fn all(self) -> impl Iterator<Item = String> {
        self.softdeps.into_iter().chain(self.depends)
    }
}

impl Modules {
    /// Looks at a kernel's `lib/modules/<release>`.
    pub(crate) fn scan(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(&dir.join("kernel"), &mut files)?;
        let builtin = fs::read_to_string(dir.join("modules.builtin"))?;
        let builtin = builtin.lines().filter_map(|line| module_name(Path::new(line)));
        Ok(Self {
            files,
            builtin: builtin.collect(),
        })
    }

    /// The wanted modules and all they depend on, each after what it depends on.
    pub(crate) fn closure(&self, wanted: &[Wanted]) -> Result<Vec<(Module, PathBuf)>> {
        let order = sort(wanted, |name| self.info(name))?;
        let found = order.into_iter().filter_map(|module| {
            let file = self.files.get(&module.name)?.clone();
            Some((module, file))
        });
        Ok(found.collect())
    }

    /// What a module says about itself; nothing where no file is needed.
    fn info(&self, name: &str) -> Result<Info> {
        if self.builtin.contains(name) {
            return Ok(Info::default());
        }
        let path = self.files.get(name);
        let path = path.with_context(|| format!("the kernel has no module {name}"))?;
        let bytes = fs::read(path)?;
        let elf = Elf::parse(&bytes).with_context(|| format!("{}", path.display()))?;
        let mut info = parse_info(elf.section(".modinfo")?);
        // A soft dependency may be an alias, of something built in most of the time.
        info.softdeps.retain(|name| self.files.contains_key(name));
        Ok(info)
    }
}

fn collect(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some(name) = module_name(&entry.path()) {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

/// `…/virtio-rng.ko` is the module `virtio_rng`.
fn module_name(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".ko")?;
    Some(stem.replace('-', "_"))
}

fn parse_info(section: &[u8]) -> Info {
    let mut info = Info::default();
    let names = |list: &str| -> Vec<String> {
        let names = list.split([',', ' ']).filter(|name| !name.is_empty());
        names.map(|name| name.replace('-', "_")).collect()
    };
    for field in section.split(|byte| *byte == 0) {
        let field = String::from_utf8_lossy(field);
        if let Some(list) = field.strip_prefix("depends=") {
            info.depends = names(list);
        } else if let Some(list) = field.strip_prefix("softdep=pre: ") {
            let list = list.split(" post: ").next().unwrap_or_default();
            info.softdeps.extend(names(list));
        }
    }
    info
}

/// Depth first, so that each comes after what it depends on.
fn sort(wanted: &[Wanted], info: impl Fn(&str) -> Result<Info>) -> Result<Vec<Module>> {
    let mut order = Vec::new();
    let mut path = Vec::new();
    for Wanted { name, bus } in wanted {
        visit((name, *bus), &info, &mut path, &mut order)?;
    }
    Ok(order)
}

fn visit(
    (name, bus): (&str, Option<&str>),
    info: &impl Fn(&str) -> Result<Info>,
    path: &mut Vec<String>,
    order: &mut Vec<Module>,
) -> Result<()> {
    if let Some(done) = order.iter_mut().find(|done| done.name == name) {
        if done.bus.is_some() && done.bus.as_deref() != bus {
            done.bus = None;
            for dependency in info(name)?.all() {
                visit((&dependency, None), info, path, order)?;
            }
        }
        return Ok(());
    }
    if path.iter().any(|above| above == name) {
        bail!("modules depend on each other: {} {name}", path.join(" "));
    }
    path.push(name.to_owned());
    for dependency in info(name)?.all() {
        visit((&dependency, bus), info, path, order)?;
    }
    path.pop();
    order.push(Module {
        name: name.to_owned(),
        bus: bus.map(str::to_owned),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depends(names: &[&str]) -> Info {
        Info {
            depends: names.iter().map(|name| (*name).to_owned()).collect(),
            softdeps: Vec::new(),
        }
    }

    #[test]
    fn each_module_comes_after_what_it_depends_on() {
        let order = sort(&[always("blk"), always("console")], |name| {
            Ok(match name {
                "blk" => depends(&["ring", "virtio"]),
                "console" => depends(&["virtio", "ring"]),
                "ring" => depends(&["virtio"]),
                _ => depends(&[]),
            })
        });
        let names: Vec<String> = order.unwrap().into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["virtio", "ring", "blk", "console"]);
    }

    #[test]
    fn what_two_buses_need_is_loaded_on_both() {
        let wanted = [
            on_bus("pci", "pci"),
            on_bus("mmio", "mmio"),
            on_bus("vsock", "mmio"),
        ];
        let order = sort(&wanted, |name| {
            Ok(match name {
                "pci" | "mmio" => depends(&["ring"]),
                "vsock" => depends(&["common"]),
                "ring" => depends(&["virtio"]),
                _ => depends(&[]),
            })
        });
        let order: Vec<(String, Option<String>)> = order
            .unwrap()
            .into_iter()
            .map(|module| (module.name, module.bus))
            .collect();
        let on = |name: &str, bus: &str| (name.to_owned(), Some(bus.to_owned()));
        let expected = [
            ("virtio".to_owned(), None),
            ("ring".to_owned(), None),
            on("pci", "pci"),
            on("mmio", "mmio"),
            on("common", "mmio"),
            on("vsock", "mmio"),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_circle_is_an_error() {
        let error = sort(&[always("a")], |name| {
            Ok(depends(if name == "a" { &["b"] } else { &["a"] }))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "modules depend on each other: a b a");
    }

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let info =
            parse_info(b"license=GPL\0softdep=pre: crc32c x-y post: z\0depends=virtio-ring,virtio\0name=v\0");
        assert_eq!(info.depends, ["virtio_ring", "virtio"]);
        assert_eq!(info.softdeps, ["crc32c", "x_y"]);
        assert_eq!(parse_info(b"depends=\0"), Info::default());
    }

    #[test]
    fn names_have_underscores() {
        assert_eq!(
            module_name(Path::new("a/virtio-rng.ko")).as_deref(),
            Some("virtio_rng")
        );
        assert_eq!(module_name(Path::new("a/modules.order")), None);
    }
}
