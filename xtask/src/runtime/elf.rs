//! What the build wants to know about ELF files.

use anyhow::{Context as _, Result};
use elf::ElfBytes;
use elf::abi::{PT_INTERP, PT_NOTE};
use elf::endian::LittleEndian;
use elf::note::Note;

/// `XEN_ELFNOTE_PHYS32_ENTRY`: where a loader enters an uncompressed kernel by the PVH protocol.
const PVH_ENTRY: u64 = 18;

/// An ELF file for this machine.
pub(crate) struct Elf<'data>(ElfBytes<'data, LittleEndian>);

impl<'data> Elf<'data> {
    /// Reads the headers.
    pub(crate) fn parse(bytes: &'data [u8]) -> Result<Self> {
        ElfBytes::minimal_parse(bytes)
            .map(Self)
            .context("not an ELF file")
    }

    /// Whether it runs without a dynamic linker.
    pub(crate) fn is_static(&self) -> bool {
        let segments = self.0.segments();
        segments.is_some_and(|all| all.iter().all(|segment| segment.p_type != PT_INTERP))
    }

    /// Whether a VMM can enter it as a kernel by PVH.
    pub(crate) fn has_pvh_entry(&self) -> bool {
        let notes = self.0.segments().into_iter().flatten();
        notes
            .filter(|segment| segment.p_type == PT_NOTE)
            .filter_map(|segment| self.0.segment_data_as_notes(&segment).ok())
            .flatten()
            .any(|note| matches!(note, Note::Unknown(note) if note.n_type == PVH_ENTRY && note.name == b"Xen\0"))
    }

    /// The content of a section.
    pub(crate) fn section(&self, name: &str) -> Result<&'data [u8]> {
        let header = self.0.section_header_by_name(name);
        let header = header?.with_context(|| format!("no section {name}"))?;
        let (bytes, compression) = self.0.section_data(&header)?;
        anyhow::ensure!(compression.is_none(), "section {name} is compressed");
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_dynamic_and_no_kernel() {
        let bytes = fs_err::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::parse(&bytes).unwrap();
        assert!(!elf.is_static());
        assert!(!elf.has_pvh_entry());
        assert!(!elf.section(".text").unwrap().is_empty());
        assert_eq!(
            elf.section(".modinfo").unwrap_err().to_string(),
            "no section .modinfo"
        );
    }

    #[test]
    fn text_is_no_elf() {
        assert!(Elf::parse(b"#!/bin/sh\n").is_err());
    }
}
