//! Takes the uncompressed kernel out of a `bzImage`.
//!
//! The setup header is described in the kernel's `Documentation/x86/boot.rst`. The payload ends with the size of what it
//! unpacks to. Debian compresses it as a legacy LZ4 frame: a magic number, then blocks of up to 8 MiB, each after its
//! size.

use anyhow::{Context as _, Result, bail, ensure};

const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

const LZ4_LEGACY: &[u8] = &[0x02, 0x21, 0x4c, 0x18];
const LZ4_BLOCK: usize = 8 << 20;
/// No kernel is larger; a damaged size shall not ask for all memory.
const LARGEST: usize = 512 << 20;

/// The `vmlinux` in a `bzImage`.
pub(crate) fn unpack(image: &[u8]) -> Result<Vec<u8>> {
    let payload = payload(image)?;
    let (compressed, size) = payload.split_last_chunk().context("the payload is too short")?;
    let size = u32::from_le_bytes(*size) as usize;
    ensure!(size <= LARGEST, "the payload claims to unpack to {size} bytes");
    let vmlinux = match compressed {
        [0x02, 0x21, 0x4c, 0x18, blocks @ ..] => unpack_lz4(blocks, size)?,
        [0x1f, 0x8b, ..] => bail!("the kernel is compressed by gzip; only LZ4 is supported"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => bail!("the kernel is compressed by xz; only LZ4 is supported"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => bail!("the kernel is compressed by zstd; only LZ4 is supported"),
        other => bail!(
            "the kernel's compression is unknown: it begins with {:02x?}",
            &other[..other.len().min(4)]
        ),
    };
    ensure!(
        vmlinux.len() == size,
        "the kernel unpacks to {} bytes instead of {size}",
        vmlinux.len()
    );
    Ok(vmlinux)
}

fn payload(image: &[u8]) -> Result<&[u8]> {
    ensure!(image.get(MAGIC..MAGIC + 4) == Some(b"HdrS"), "not a bzImage");
    let version = u16::from_le_bytes(bytes(image, VERSION)?);
    ensure!(version >= 0x208, "boot protocol {version:#x} names no payload");
    let [sectors] = bytes(image, SETUP_SECTORS)?;
    // The header says that zero means four.
    let sectors = if sectors == 0 { 4 } else { usize::from(sectors) };
    let offset = u32::from_le_bytes(bytes(image, PAYLOAD_OFFSET)?) as usize;
    let length = u32::from_le_bytes(bytes(image, PAYLOAD_LENGTH)?) as usize;
    let start = (sectors + 1) * 512 + offset;
    image
        .get(start..start + length)
        .context("the payload lies outside of the image")
}

fn unpack_lz4(mut blocks: &[u8], size: usize) -> Result<Vec<u8>> {
    let mut unpacked = Vec::with_capacity(size);
    let mut block = vec![0; LZ4_BLOCK];
    while let Some((length, rest)) = blocks.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        // Frames may follow each other; each begins with the magic number.
        if length.to_le_bytes() == LZ4_LEGACY {
            blocks = rest;
            continue;
        }
        let compressed = rest.get(..length as usize).context("an LZ4 block is cut off")?;
        let count =
            lz4_flex::block::decompress_into(compressed, &mut block).context("an LZ4 block is damaged")?;
        unpacked.extend_from_slice(&block[..count]);
        blocks = &rest[compressed.len()..];
    }
    Ok(unpacked)
}

fn bytes<const N: usize>(image: &[u8], at: usize) -> Result<[u8; N]> {
    let found = image.get(at..).and_then(<[u8]>::first_chunk);
    found.copied().context("the image is cut off in its header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 3 * 512];
        image[SETUP_SECTORS] = 1;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[VERSION..VERSION + 2].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&512_u32.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    fn lz4(parts: &[&[u8]]) -> Vec<u8> {
        let mut payload = LZ4_LEGACY.to_vec();
        for part in parts {
            let block = lz4_flex::block::compress(part);
            payload.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
            payload.extend_from_slice(&block);
        }
        let size: usize = parts.iter().map(|part| part.len()).sum();
        payload.extend_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        payload
    }

    #[test]
    fn blocks_are_joined() {
        let zeros = vec![0; 100_000];
        let unpacked = unpack(&image(&lz4(&[&zeros, b"the end"]))).unwrap();
        assert_eq!(unpacked.len(), 100_007);
        assert!(unpacked.ends_with(b"the end"));
    }

    #[test]
    fn a_size_that_does_not_fit_is_told() {
        let mut payload = lz4(&[b"kernel"]);
        let at = payload.len() - 4;
        payload[at] += 1;
        let error = unpack(&image(&payload)).unwrap_err();
        assert_eq!(error.to_string(), "the kernel unpacks to 6 bytes instead of 7");
    }

    #[test]
    fn other_compressions_are_named() {
        for (magic, name) in [
            (&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0][..], "gzip"),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0, 0, 0], "xz"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0], "zstd"),
        ] {
            let error = unpack(&image(magic)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn nothing_cut_off_is_accepted() {
        let whole = image(&lz4(&[&[7; 5000]]));
        assert_eq!(unpack(&whole).unwrap().len(), 5000);
        for length in (0..whole.len()).step_by(13) {
            assert!(unpack(&whole[..length]).is_err(), "{length}");
        }
    }
}
