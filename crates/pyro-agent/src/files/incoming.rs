//! The file whose content is being received by a put.

use std::fs::File;
use std::io::Write;

use pyro_proto::message::Fault;

use super::attributes::Attributes;
use super::held::Candidate;
use super::mirror::Mirror;
use super::outlet::failure;

/// Where its content goes.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Into the stage.
    Staged(StagedFile),
    /// Into memory, as it may be what is there.
    Compared(Candidate),
}

/// A file in the stage.
#[derive(Debug)]
pub(super) struct StagedFile {
    file: File,
    path: Vec<u8>,
    attributes: Attributes,
}

impl StagedFile {
    /// Makes one that begins with this content. It is not as it is to be until it is [`complete`](Self::complete).
    ///
    /// # Errors
    /// A [`Fault`] if there is something, or it cannot be made.
    pub(super) fn make(
        mirror: &mut Mirror,
        path: Vec<u8>,
        attributes: Attributes,
        content: &[u8],
    ) -> Result<Self, Fault> {
        let file = mirror.file(&path, attributes)?;
        let mut staged = Self {
            file,
            path,
            attributes,
        };
        staged.write(content)?;
        Ok(staged)
    }

    /// Adds content.
    ///
    /// # Errors
    /// A [`Fault`] if the disk is full.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Fault> {
        let written = self.file.write_all(data);
        written.map_err(|error| failure("stage", &self.path, error))
    }

    /// Gives it its owner, mode and time.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be completed.
    pub(super) fn complete(self, mirror: &Mirror) -> Result<(), Fault> {
        let completed = mirror.complete(&self.file, self.attributes);
        completed.map_err(|error| failure("stage", &self.path, error))
    }
}
