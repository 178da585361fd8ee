//! Writes an archive that the kernel unpacks as its first root: `newc`, uncompressed, the same bytes for the same input.
//!
//! The format is described in the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER: u32 = 0o020_000;

/// An archive in the making. Entries are sorted by name, so that a directory comes before what is in it.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    mode: u32,
    /// Major and minor number of a device.
    device: (u32, u32),
    content: Vec<u8>,
}

impl Archive {
    /// Adds a directory.
    pub(crate) fn directory(&mut self, name: &str, permissions: u32) {
        self.add(name, DIRECTORY | permissions, (0, 0), Vec::new());
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, name: &str, permissions: u32, content: Vec<u8>) {
        self.add(name, REGULAR | permissions, (0, 0), content);
    }

    /// Adds a character device.
    pub(crate) fn character_device(&mut self, name: &str, permissions: u32, device: (u32, u32)) {
        self.add(name, CHARACTER | permissions, device, Vec::new());
    }

    /// The archive's bytes.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (number, (name, entry)) in (1..).zip(&self.entries) {
            write(&mut bytes, number, name, entry).with_context(|| format!("cannot archive {name}"))?;
        }
        let trailer = Entry {
            mode: 0,
            device: (0, 0),
            content: Vec::new(),
        };
        write(&mut bytes, 0, "TRAILER!!!", &trailer)?;
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        Ok(bytes)
    }

    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), content: Vec<u8>) {
        let entry = Entry {
            mode,
            device,
            content,
        };
        self.entries.insert(name.to_owned(), entry);
    }
}

fn write(bytes: &mut Vec<u8>, number: u32, name: &str, entry: &Entry) -> Result<()> {
    let links = if entry.mode & DIRECTORY == 0 { 1 } else { 2 };
    let size = u32::try_from(entry.content.len())?;
    let name_size = u32::try_from(name.len() + 1)?;
    let (major, minor) = entry.device;
    bytes.extend_from_slice(b"070701");
    // Number, mode, user, group, links, time, size, the file system's device, the device, name's size, check sum.
    let fields = [
        number, entry.mode, 0, 0, links, 0, size, 0, 0, major, minor, name_size, 0,
    ];
    for field in fields {
        bytes.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend_from_slice(&entry.content);
    pad(bytes);
    Ok(())
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_aligned_and_without_time() {
        let mut archive = Archive::default();
        archive.file("modules/order", 0o644, b"virtio\n".to_vec());
        archive.directory("modules", 0o755);
        archive.character_device("dev/console", 0o600, (5, 1));
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8(bytes).unwrap();
        let entries: Vec<_> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(entries.len(), 4);
        assert!(entries.iter().all(|at| at % 4 == 0));
        let (console, file) = (&text[entries[0]..], &text[entries[2]..]);
        let field = |entry: &str, index: usize| entry[6 + 8 * index..14 + 8 * index].to_owned();
        assert!(console[110..].starts_with("dev/console\0"));
        assert_eq!(field(console, 1), "00002180");
        assert_eq!(
            (field(console, 9), field(console, 10)),
            ("00000005".into(), "00000001".into())
        );
        assert!(file[110..].starts_with("modules/order\0virtio\n\0"));
        assert_eq!(
            (field(file, 5), field(file, 6)),
            ("00000000".into(), "00000007".into())
        );
        assert!(text[entries[3]..][110..].starts_with("TRAILER!!!\0"));
    }
}
