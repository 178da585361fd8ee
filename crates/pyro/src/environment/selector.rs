//! What the name of an environment refers to.

use std::path::PathBuf;

use pyro_image::Reference;
use sha2::{Digest, Sha256};

use super::catalog::{self, Entry};
use super::error::EnvironmentError;

/// The longest name of an environment, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// What a name refers to, before anything is looked up.
#[derive(Debug, Clone)]
pub(super) enum Selector {
    /// An entry of the catalog.
    Catalog(&'static Entry),
    /// An image at a registry that the name spells out.
    Reference(Box<Reference>),
    /// A layout or archive on this host.
    Local(ImportSource),
    /// Nothing but an import can have this name.
    Plain,
}

/// Where an import comes from: `oci-layout:DIR`, `docker-archive:FILE` or the path of a root file system tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportSource {
    /// An OCI image layout directory.
    OciLayout(PathBuf),
    /// A `docker save` archive.
    DockerArchive(PathBuf),
    /// A tar of a root file system, plain or compressed.
    RootfsTar(PathBuf),
}

impl ImportSource {
    /// Reads the spelling of the command line.
    pub fn parse(text: &str) -> Self {
        Self::with_scheme(text).unwrap_or_else(|| Self::RootfsTar(PathBuf::from(text)))
    }

    /// The path.
    pub fn path(&self) -> &std::path::Path {
        match self {
            Self::OciLayout(path) | Self::DockerArchive(path) | Self::RootfsTar(path) => path,
        }
    }

    fn with_scheme(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("oci-layout:") {
            Some(Self::OciLayout(path.into()))
        } else {
            text.strip_prefix("docker-archive:")
                .map(|path| Self::DockerArchive(path.into()))
        }
    }
}

/// A name that is safe to show and to look up, and what it refers to.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentName {
    text: String,
    pub(super) selector: Selector,
}

impl EnvironmentName {
    /// Reads a name as the user typed it.
    ///
    /// # Errors
    /// [`EnvironmentError::InvalidName`] if it cannot be one.
    pub(super) fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let given = text.trim();
        let invalid = |problem| EnvironmentError::InvalidName {
            name: shorten(text),
            problem,
        };
        if given.is_empty() {
            return Err(invalid("is empty".to_owned()));
        }
        if given.len() > MAX_NAME_BYTES || given.chars().any(char::is_control) {
            return Err(invalid(format!(
                "has control characters or more than {MAX_NAME_BYTES} bytes"
            )));
        }
        if let Some(entry) = catalog::find(given) {
            return Ok(Self {
                text: given.to_owned(),
                selector: Selector::Catalog(entry),
            });
        }
        if let Some(source) = ImportSource::with_scheme(given) {
            return Self::local(&source, given);
        }
        if names_a_registry(given) {
            let reference: Reference = given
                .parse()
                .map_err(|error: pyro_image::ReferenceError| invalid(error.to_string()))?;
            let text = reference.to_string();
            return Ok(Self {
                text,
                selector: Selector::Reference(Box::new(reference)),
            });
        }
        if !is_plain(given) {
            return Err(invalid(
                "must be lower-case letters, digits and `._-:/`".to_owned(),
            ));
        }
        Ok(Self {
            text: given.to_owned(),
            selector: Selector::Plain,
        })
    }

    /// Reads a name that an import or a build is to have.
    ///
    /// # Errors
    /// [`EnvironmentError::InvalidName`] if it cannot be one, [`EnvironmentError::TakenName`] if it means something.
    pub(super) fn parse_own(text: &str) -> Result<Self, EnvironmentError> {
        let name = Self::parse(text)?;
        match name.selector {
            Selector::Plain => Ok(name),
            Selector::Catalog(_) | Selector::Reference(_) | Selector::Local(_) => {
                Err(EnvironmentError::TakenName { name: shorten(text) })
            }
        }
    }

    /// The name as it is recorded.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The name as a file name: recognisable, and different for different names.
    pub(super) fn key(&self) -> String {
        let readable = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') {
                c
            } else {
                '_'
            }
        };
        let slug: String = self.text.chars().map(readable).take(60).collect();
        let digest: String = Sha256::digest(&self.text)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // A leading dot is for drafts.
        format!("{}-{digest}", slug.trim_start_matches('.'))
    }

    fn local(source: &ImportSource, given: &str) -> Result<Self, EnvironmentError> {
        let absolute = std::path::absolute(source.path()).map_err(|source| EnvironmentError::File {
            action: "find",
            path: given.into(),
            source,
        })?;
        let (scheme, source) = match source {
            ImportSource::OciLayout(_) => ("oci-layout", ImportSource::OciLayout(absolute.clone())),
            ImportSource::DockerArchive(_) | ImportSource::RootfsTar(_) => {
                ("docker-archive", ImportSource::DockerArchive(absolute.clone()))
            }
        };
        Ok(Self {
            text: format!("{scheme}:{}", absolute.display()),
            selector: Selector::Local(source),
        })
    }
}

/// As docker tells a registry from a repository: the part before the first slash has a dot or a port, or is localhost.
fn names_a_registry(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
}

fn is_plain(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-:/@".contains(&byte);
    let starts_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    starts_well && text.bytes().all(allowed) && !text.split('/').any(|part| part.is_empty() || part == "..")
}

/// As much of a text as fits into a sentence.
pub(super) fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> EnvironmentName {
        EnvironmentName::parse(text).unwrap()
    }

    #[test]
    fn names_refer_to_what_their_form_says() {
        assert!(matches!(parse("debian:12").selector, Selector::Catalog(_)));
        assert!(matches!(parse("ghcr.io/o/i:1").selector, Selector::Reference(_)));
        assert!(matches!(
            parse("localhost:5000/a/b").selector,
            Selector::Reference(_)
        ));
        assert!(matches!(
            parse("oci-layout:/tmp/x").selector,
            Selector::Local(ImportSource::OciLayout(_))
        ));
        assert!(matches!(parse("python:3.12").selector, Selector::Plain));
    }

    #[test]
    fn a_name_never_becomes_a_path() {
        for text in [
            "",
            "../../etc",
            "a//b",
            "a/../b",
            "A\u{7}",
            "/abs",
            "-x",
            "weird name",
        ] {
            assert!(EnvironmentName::parse(text).is_err(), "{text}");
        }
        let key = parse("ghcr.io/o/i:1").key();
        assert!(!key.contains('/') && !key.starts_with('.'), "{key}");
        assert_ne!(parse("a_b").key(), parse("a:b").key());
    }

    #[test]
    fn an_own_name_takes_no_others() {
        EnvironmentName::parse_own("mine:1").unwrap();
        EnvironmentName::parse_own("debian:12").unwrap_err();
        EnvironmentName::parse_own("ghcr.io/o/i").unwrap_err();
    }
}
