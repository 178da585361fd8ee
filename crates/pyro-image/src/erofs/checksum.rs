//! The checksum of the superblock.

/// The Castagnoli polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// CRC-32C as the kernel's `crc32c(~0, …)`: with the usual start, without the usual final inversion. It runs over some
/// 3 KiB once per image, so a table is not worth its lines.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0, |checksum, byte| {
        (0..8).fold(checksum ^ u32::from(*byte), |rest, _| {
            (rest >> 1) ^ if rest & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_polynomial_comes_out() {
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
    }
}
