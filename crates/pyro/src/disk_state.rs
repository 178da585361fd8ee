//! Whether the file system on a disk says of itself that it has errors.
//!
//! Four bytes at a fixed place are all that the host reads of a file system that a guest wrote; whatever they hold, they
//! decide about a note and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where an ext4 file system has its magic number, and right behind it its state (the kernel's `struct ext4_super_block`).
const MAGIC_AND_STATE: u64 = 1024 + 0x38;

const MAGIC: u16 = 0xEF53;

/// The bit of the state that the kernel sets when it meets an error, and that only a check takes back
/// (`EXT4_ERROR_FS`).
const HAS_ERRORS: u16 = 2;

/// Whether it says so; not if that cannot be read, or the disk holds something else.
pub(crate) fn has_errors(disk: &File) -> bool {
    let mut bytes = [0; 4];
    let [magic_low, magic_high, state_low, state_high] = match disk.read_exact_at(&mut bytes, MAGIC_AND_STATE)
    {
        Ok(()) => bytes,
        Err(_) => return false,
    };
    let (magic, state) = (
        u16::from_le_bytes([magic_low, magic_high]),
        u16::from_le_bytes([state_low, state_high]),
    );
    magic == MAGIC && state & HAS_ERRORS != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_believed_and_nothing_else_is_taken_for_one() {
        let disk = tempfile::tempfile().unwrap();
        assert!(!has_errors(&disk), "there is nothing on it");
        for (bytes, expected) in [
            ([0x53, 0xEF, 1, 0], false),
            ([0x53, 0xEF, 3, 0], true),
            ([0x53, 0xEF, 2, 0], true),
            ([0xFF, 0xFF, 0xFF, 0xFF], false),
        ] {
            disk.write_all_at(&bytes, MAGIC_AND_STATE).unwrap();
            assert_eq!(has_errors(&disk), expected, "{bytes:?}");
        }
    }
}
