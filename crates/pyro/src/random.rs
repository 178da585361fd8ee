//! Randomness from the kernel.

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills the buffer from the system's secure source (getrandom(2)).
pub(crate) fn fill(buffer: &mut [u8]) {
    let mut filled = 0;
    while filled < buffer.len() {
        // Fails only when interrupted before any byte was given.
        filled += getrandom(&mut buffer[filled..], GetRandomFlags::empty()).unwrap_or(0);
    }
}

/// Random bytes as lowercase hexadecimal digits.
pub(crate) fn hex<const BYTES: usize>() -> String {
    let mut bytes = [0_u8; BYTES];
    fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
