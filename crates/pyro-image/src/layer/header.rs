//! The fixed header of an entry.

use tar::{EntryType, Header};

use super::{DeviceNumber, LayerError, Metadata, Timestamp, number};

/// Archives are made of blocks of this many bytes.
pub(super) const BLOCK: usize = 512;

/// A header whose checksum is right.
#[derive(Debug)]
pub(super) struct EntryHeader {
    header: Header,
    /// Where the header starts in the uncompressed archive.
    pub(super) offset: u64,
}

impl EntryHeader {
    /// Takes a block as header if its checksum is right.
    pub(super) fn parse(block: &[u8; BLOCK], offset: u64) -> Result<Self, LayerError> {
        let header = Header::from_byte_slice(block).clone();
        let stated = number::field(&header.as_old().cksum);
        // Some old writers summed signed bytes; every reader takes both.
        let (mut unsigned, mut signed) = (0_i128, 0_i128);
        for (at, byte) in block.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { *byte };
            unsigned += i128::from(byte);
            signed += i128::from(byte.cast_signed());
        }
        if stated != Some(unsigned) && stated != Some(signed) {
            return Err(LayerError::Header { offset });
        }
        Ok(Self { header, offset })
    }

    pub(super) fn raw(&self) -> &Header {
        &self.header
    }

    pub(super) fn entry_type(&self) -> EntryType {
        self.header.entry_type()
    }

    /// The path in the header itself.
    pub(super) fn name(&self) -> Vec<u8> {
        self.header.path_bytes().into_owned()
    }

    /// The target of a link in the header itself.
    pub(super) fn link_name(&self) -> Vec<u8> {
        self.header.link_name_bytes().unwrap_or_default().into_owned()
    }

    /// The stored length in bytes.
    pub(super) fn size(&self, name: &[u8]) -> Result<u64, LayerError> {
        ranged(&self.header.as_old().size, name, "size")
    }

    /// Owner, mode and time as the fixed header has them.
    pub(super) fn metadata(&self, name: &[u8]) -> Result<Metadata, LayerError> {
        let old = self.header.as_old();
        let mode: u64 = ranged(&old.mode, name, "mode")?;
        Ok(Metadata {
            mode: u16::try_from(mode & 0o7777).expect("twelve bits"),
            uid: ranged(&old.uid, name, "owner")?,
            gid: ranged(&old.gid, name, "group")?,
            mtime: Timestamp {
                seconds: ranged(&old.mtime, name, "time")?,
                nanoseconds: 0,
            },
        })
    }

    /// The number of a device.
    pub(super) fn device(&self, name: &[u8]) -> Result<DeviceNumber, LayerError> {
        let (major, minor) = match (self.header.as_ustar(), self.header.as_gnu()) {
            (Some(ustar), _) => (&ustar.dev_major, &ustar.dev_minor),
            (None, Some(gnu)) => (&gnu.dev_major, &gnu.dev_minor),
            (None, None) => (&[0; 8], &[0; 8]),
        };
        Ok(DeviceNumber {
            major: ranged(major, name, "device number")?,
            minor: ranged(minor, name, "device number")?,
        })
    }
}

/// Reads a field into the type that can hold every valid value of it.
fn ranged<T: TryFrom<i128>>(field: &[u8], name: &[u8], what: &'static str) -> Result<T, LayerError> {
    number::field(field)
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| bad_number(name, what))
}

/// The error of a number that is none or out of range.
pub(super) fn bad_number(name: &[u8], field: &'static str) -> LayerError {
    LayerError::Number {
        name: String::from_utf8_lossy(name).into_owned(),
        field,
    }
}
