//! Loads the kernel modules that came with the initramfs.

use std::fs::{self, File};
use std::io;

use rustix::io::Errno;

use super::{DuringStep, SetupError};

/// Names one module a line, in the order to load them. A kernel with everything built in needs no such file.
const ORDER: &str = "/modules/order";

/// Loads every listed module.
///
/// # Errors
/// [`SetupError`] if a module is missing or refused. One that is built in, or without its hardware, is no error.
pub(crate) fn load_all() -> Result<(), SetupError> {
    let order = match fs::read_to_string(ORDER) {
        Ok(order) => order,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).during(|| format!("read {ORDER}")),
    };
    for name in names(&order) {
        load(name).during(|| format!("load the kernel module {name}"))?;
    }
    Ok(())
}

fn names(order: &str) -> impl Iterator<Item = &str> {
    order
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
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
            names(order).collect::<Vec<_>>(),
            ["virtio_ring", "virtio", "erofs"]
        );
    }
}
