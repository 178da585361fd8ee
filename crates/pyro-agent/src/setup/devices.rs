//! Finds devices, and waits for those that the kernel has not announced yet.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pyro_proto::PORT_NAME;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// The multicast group in which the kernel itself announces devices.
const KERNEL_GROUP: u32 = 1;

/// The kernel's announcements of devices.
#[derive(Debug)]
pub(crate) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Opens them; whatever is announced from now on ends a later wait.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(KOBJECT_UEVENT),
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Self { socket })
    }

    /// Asks `probe` now and after every announcement until it finds something, or `None` at the deadline.
    ///
    /// # Errors
    /// What `probe` or the wait failed with.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Instant,
        mut probe: impl FnMut() -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        loop {
            self.drain();
            if let Some(found) = probe()? {
                return Ok(Some(found));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut ready = [PollFd::new(&self.socket, PollFlags::IN)];
            match rustix::event::poll(&mut ready, Some(&left)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Only the fact of an announcement matters, so a lost one (`ENOBUFS`) is as good as a read one.
    fn drain(&self) {
        let mut buffer = [0_u8; 8192];
        loop {
            match rustix::net::recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(_) => return,
            }
        }
    }
}

/// Virtio device types, as in section 5 of the virtio specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VirtioType {
    /// A disk.
    Block = 2,
    /// A console or a serial port.
    Console = 3,
    /// A socket device.
    Vsock = 19,
}

/// The disks of the machine, in the order in which the host gives them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disks {
    /// The first read-only one: the root of the image.
    pub(crate) image: PathBuf,
    /// The writable one: the machine's own. Without it changes are kept in memory.
    pub(crate) own: Option<PathBuf>,
    /// The second read-only one: the seed of the workspace. What it holds may change until the machine is configured.
    pub(crate) seed: Option<PathBuf>,
}

/// The sysfs directories of all virtio devices of a type, in the order of their names.
pub(crate) fn virtio_devices(kind: VirtioType) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for device in children(Path::new("/sys/bus/virtio/devices"))? {
        let id = fs::read_to_string(device.join("device")).unwrap_or_default();
        let id = id
            .trim()
            .strip_prefix("0x")
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if id == Some(kind as u32) {
            found.push(device);
        }
    }
    Ok(found)
}

/// Finds the disks once every virtio disk has its driver and a read-only one is among them.
pub(crate) fn find_disks() -> io::Result<Option<Disks>> {
    let (mut read_only, mut writable) = (Vec::new(), Vec::new());
    for device in virtio_devices(VirtioType::Block)? {
        let Some(disk) = children(&device.join("block"))?.into_iter().next() else {
            return Ok(None);
        };
        let Some(name) = disk.file_name() else { continue };
        let node = Path::new("/dev").join(name);
        let is_read_only = fs::read_to_string(disk.join("ro"))?.trim() == "1";
        if !node.exists() {
            return Ok(None);
        }
        let alike = if is_read_only {
            &mut read_only
        } else {
            &mut writable
        };
        alike.push(node);
    }
    let mut read_only = read_only.into_iter();
    Ok(read_only.next().map(|image| Disks {
        image,
        own: writable.into_iter().next(),
        seed: read_only.next(),
    }))
}

/// Finds the serial port that leads to the host, by its name.
pub(crate) fn find_port() -> io::Result<Option<PathBuf>> {
    for port in children(Path::new("/sys/class/virtio-ports"))? {
        // The name arrives after the port; the kernel then announces a change.
        let name = fs::read_to_string(port.join("name")).unwrap_or_default();
        if name.trim_end() == PORT_NAME {
            let node = port.file_name().map(|name| Path::new("/dev").join(name));
            return Ok(node.filter(|node| node.exists()));
        }
    }
    Ok(None)
}

/// The entries of a directory, sorted; none if it does not exist.
fn children(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
