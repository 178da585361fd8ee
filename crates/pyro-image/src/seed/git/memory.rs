//! A bound on what the rules of a seed take in memory.
//!
//! A seed may be hostile: a small index can expand to long names, patterns compile to much more than their text, and
//! repositories can lie in each other without end.

use std::cell::Cell;
use std::rc::Rc;

/// How much all rules that are held at one time may take, in bytes. It is enough for the names of some two million
/// tracked files.
const MAX: usize = 256 << 20;

/// What is left of the bound.
#[derive(Debug, Clone)]
pub(super) struct Memory(Rc<Cell<usize>>);

/// A part of the bound, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    from: Memory,
    bytes: usize,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(MAX)))
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.0.get()
    }

    /// Takes some bytes; `None` when there are not so many.
    pub(super) fn take(&self, bytes: usize) -> Option<Taken> {
        self.0.set(self.left().checked_sub(bytes)?);
        Some(Taken {
            from: self.clone(),
            bytes,
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.from.0.set(self.from.left() + self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let memory = Memory::new();
        let most = memory.take(MAX - 10).unwrap();
        assert!(memory.take(11).is_none());
        drop(most);
        assert_eq!(memory.left(), MAX);
        memory.take(MAX).unwrap();
    }
}
