//! Loads the kernel modules that came with the initramfs.

use std::fs::{self, File};
use std::io;

use rustix::io::Errno;

use super::{DuringStep, SetupError};

/// Names one module a line, in the order to load them, and behind it the bus of the machines that need it, unless all
/// do. A kernel with everything built in needs no such file.
const ORDER: &str = "/modules/order";

/// Tells the bus of this machine's devices on the kernel's command line; without it every module is loaded.
const BUS: &str = "pyro.bus";

/// Loads every listed module that this machine needs.
///
/// # Errors
/// [`SetupError`] if a module is missing or refused. One that is built in, or without its hardware, is no error.
pub(crate) fn load_all() -> Result<(), SetupError> {
    let order = match fs::read_to_string(ORDER) {
        Ok(order) => order,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).during(|| format!("read {ORDER}")),
    };
    let bus = super::kernel_parameter(BUS);
    for name in names(&order, bus.as_deref()) {
        load(name).during(|| format!("load the kernel module {name}"))?;
    }
    Ok(())
}

fn names<'a>(order: &'a str, bus: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    order.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().filter(|name| !name.starts_with('#'))?;
        let is_needed = match (words.next(), bus) {
            (Some(wanted), Some(bus)) => wanted == bus,
            (None, _) | (_, None) => true,
        };
        is_needed.then_some(name)
    })
}

fn load(name: &str) -> io::Result<()> {
    let module = File::open(format!("/modules/{name}.ko"))?;
    match rustix::system::finit_module(&module, c"", 0) {
        Ok(()) | Err(Errno::EXIST | Errno::NODEV) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_lines() {
        let order = "virtio_ring\n\n  virtio \n# a remark\nerofs";
        assert_eq!(
            names(order, None).collect::<Vec<_>>(),
            ["virtio_ring", "virtio", "erofs"]
        );
    }

    #[test]
    fn what_is_for_another_bus_is_left_out() {
        let order = "virtio\nvirtio_pci pci\nvirtio_mmio mmio\n";
        let loaded = |bus| names(order, bus).collect::<Vec<_>>();
        assert_eq!(loaded(Some("pci")), ["virtio", "virtio_pci"]);
        assert_eq!(loaded(Some("mmio")), ["virtio", "virtio_mmio"]);
        assert_eq!(loaded(None).len(), 3);
    }
}
