//! A lock on a file that ends with the one who holds it.

use std::fs::File;

/// A lock on an open file, held for as long as this lives.
///
/// Closing the file alone would not do: a child that was forked meanwhile, and has not yet called exec, has it open too,
/// and the lock is that of the open file, not of the process (flock(2)). Such a child is no reason for others to find it
/// held.
#[derive(Debug)]
pub(crate) struct HeldLock(File);

impl HeldLock {
    /// Takes over a file that was locked.
    pub(crate) fn of(locked: File) -> Self {
        Self(locked)
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "a lock is left to be released by closing its file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_still_has_the_file_open_does_not_hold_the_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let locked = File::open(file.path()).unwrap();
        locked.lock().unwrap();
        // As a forked child has it.
        let _same = locked.try_clone().unwrap();
        let other = File::open(file.path()).unwrap();
        let held = HeldLock::of(locked);
        assert!(other.try_lock().is_err());
        drop(held);
        other.try_lock().unwrap();
    }
}
