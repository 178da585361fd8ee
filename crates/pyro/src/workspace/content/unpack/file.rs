//! A file that is being written, with holes where it has nothing but zeros.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use pyro_proto::file::FileEntry;
use rustix::fs::{Mode, Timespec, Timestamps, fchmod, futimens};

/// The least run of zeros that is left out, in bytes. Runs are looked for in what comes in one piece.
const HOLE: usize = 64 * 1024;

/// A new file.
#[derive(Debug)]
pub(super) struct NewFile {
    file: File,
    /// Its length so far, holes included.
    length: u64,
}

impl NewFile {
    /// Writes to a file that is empty.
    pub(super) fn new(file: File) -> Self {
        Self { file, length: 0 }
    }

    /// Adds some content and returns how much of it takes space, in bytes.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<u64> {
        let length = data.len() as u64;
        self.length += length;
        if data.len() >= HOLE && is_zero(data) {
            self.file.seek(SeekFrom::Start(self.length))?;
            return Ok(0);
        }
        self.file.write_all(data)?;
        Ok(length)
    }

    /// Its length so far.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Gives it its length, mode and time.
    pub(super) fn finish(self, permissions: Mode, times: &Timestamps) -> io::Result<File> {
        // A hole at the end is none until the length says so.
        self.file.set_len(self.length)?;
        fchmod(&self.file, permissions)?;
        futimens(&self.file, times)?;
        Ok(self.file)
    }
}

fn is_zero(data: &[u8]) -> bool {
    // Compared in words, which a loop over bytes is not in a debug build.
    data[0] == 0 && data[1..] == data[..data.len() - 1]
}

/// The permission bits of an entry that a host file gets: set-uid, set-gid and sticky are dropped.
pub(super) fn permissions(entry: &FileEntry) -> Mode {
    Mode::from_raw_mode(entry.mode & 0o777)
}

/// The time of an entry, for access and change; `None` if it is none.
pub(super) fn times(entry: &FileEntry) -> Option<Timestamps> {
    let time = Timespec {
        tv_sec: entry.modified_s,
        tv_nsec: entry.modified_ns.into(),
    };
    (entry.modified_ns < 1_000_000_000).then_some(Timestamps {
        last_access: time,
        last_modification: time,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn zeros_are_left_out_and_count_for_the_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = NewFile::new(File::create_new(&path).unwrap());
        let zeros = vec![0; HOLE];
        assert_eq!(file.write(b"a").unwrap(), 1);
        assert_eq!(file.write(&[0; 100]).unwrap(), 100);
        for _ in 0..64 {
            assert_eq!(file.write(&zeros).unwrap(), 0);
        }
        let entry = FileEntry {
            mode: 0o6755,
            modified_s: 1_000_000_000,
            modified_ns: 5,
            ..FileEntry::default()
        };
        file.finish(permissions(&entry), &times(&entry).unwrap()).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 101 + 64 * HOLE as u64);
        assert!(metadata.blocks() * 512 < HOLE as u64, "{}", metadata.blocks());
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o755);
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_000_000_000, 5));
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content[0], b'a');
        assert!(is_zero(&content[1..]));
    }

    #[test]
    fn a_time_that_is_none_is_told() {
        let entry = FileEntry {
            modified_ns: 1_073_741_823,
            ..FileEntry::default()
        };
        assert!(times(&entry).is_none());
    }
}
