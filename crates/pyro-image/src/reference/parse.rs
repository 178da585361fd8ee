//! The grammar of references.

use std::str::FromStr;

use super::{DOCKER_HUB, Reference, RegistryHost};
use crate::digest::{Digest, DigestError, shorten};
use crate::kind::ImageErrorKind;

/// Longest repository, in bytes: the limit of the distribution specification.
const LONGEST_REPOSITORY: usize = 255;
/// Longest reference looked at, in bytes: repository, host, tag and digest together fit.
const LONGEST_REFERENCE: usize = 1024;
/// Longest tag, in bytes.
const LONGEST_TAG: usize = 128;

/// Reports text that is not a reference to an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text or its repository is empty.
    #[error("`{given}` names no image")]
    Empty {
        /// What was given.
        given: String,
    },
    /// The text or the repository is too long.
    #[error("`{given}` is too long for an image name: a repository has at most 255 characters")]
    TooLong {
        /// What was given, shortened.
        given: String,
    },
    /// The part before the first slash is not a host.
    #[error("`{registry}` in `{given}` is not a registry host")]
    Registry {
        /// What was given.
        given: String,
        /// The part that is wrong.
        registry: String,
    },
    /// A part of the repository has characters or separators that are not allowed.
    #[error(
        "`{component}` in `{given}` is not a repository name: lower-case letters, digits, and between them `.`, `_`, `__` or `-`"
    )]
    Repository {
        /// What was given.
        given: String,
        /// The part that is wrong.
        component: String,
    },
    /// The tag has characters that are not allowed.
    #[error("`{tag}` in `{given}` is not a tag: at most 128 letters, digits, `_`, `.` and `-`")]
    Tag {
        /// What was given.
        given: String,
        /// The part that is wrong.
        tag: String,
    },
    /// The digest is malformed or of another algorithm.
    #[error("the digest in `{given}` is not usable")]
    Digest {
        /// What was given.
        given: String,
        /// What is wrong with it.
        source: DigestError,
    },
    /// The text is 64 hexadecimal digits, which docker reads as an identifier of a local image.
    #[error("`{given}` is an identifier, not an image name")]
    Identifier {
        /// What was given.
        given: String,
    },
}

impl ReferenceError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        ImageErrorKind::InvalidArgument
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let given = shorten(text);
        if text.len() > LONGEST_REFERENCE {
            return Err(ReferenceError::TooLong { given });
        }
        if Digest::from_hex(text).is_ok() {
            return Err(ReferenceError::Identifier { given });
        }
        let (name_and_tag, digest) = split_digest(text)?;
        let (name, tag) = split_tag(name_and_tag);
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag {
                given,
                tag: shorten(tag),
            });
        }
        let (registry, path) = split_registry(name, &given)?;
        let repository = normal_repository(&registry, path);
        check_repository(&repository, &given)?;
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, Some(_)) => None,
            (None, None) => Some("latest".to_owned()),
        };
        Ok(Self {
            given: text.to_owned(),
            registry,
            repository,
            tag,
            digest,
        })
    }
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), ReferenceError> {
    let Some((name, digest)) = text.split_once('@') else {
        return Ok((text, None));
    };
    match digest.parse() {
        Ok(digest) => Ok((name, Some(digest))),
        Err(source) => Err(ReferenceError::Digest {
            given: shorten(text),
            source,
        }),
    }
}

/// Splits at the last colon, unless a slash follows: then it belongs to a port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

/// Takes the part before the first slash as a registry if it looks like a host, as docker does.
fn split_registry<'a>(name: &'a str, given: &str) -> Result<(RegistryHost, &'a str), ReferenceError> {
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    let registry = if registry == "index.docker.io" {
        DOCKER_HUB
    } else {
        registry
    };
    RegistryHost::parse(registry)
        .map(|host| (host, path))
        .ok_or_else(|| ReferenceError::Registry {
            given: given.to_owned(),
            registry: shorten(registry),
        })
}

fn looks_like_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn normal_repository(registry: &RegistryHost, path: &str) -> String {
    if registry.name() == DOCKER_HUB && !path.contains('/') && !path.is_empty() {
        format!("library/{path}")
    } else {
        path.to_owned()
    }
}

fn check_repository(repository: &str, given: &str) -> Result<(), ReferenceError> {
    if repository.is_empty() {
        return Err(ReferenceError::Empty {
            given: given.to_owned(),
        });
    }
    if repository.len() > LONGEST_REPOSITORY {
        return Err(ReferenceError::TooLong {
            given: given.to_owned(),
        });
    }
    match repository.split('/').find(|component| !is_component(component)) {
        Some(component) => Err(ReferenceError::Repository {
            given: given.to_owned(),
            component: shorten(component),
        }),
        None => Ok(()),
    }
}

/// Checks `[a-z0-9]+` joined by `.`, `_`, `__` or dashes.
fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_are_words =
        component.bytes().next().is_some_and(is_word) && component.bytes().next_back().is_some_and(is_word);
    let separators_are_known = component
        .split(|character: char| u8::try_from(character).is_ok_and(is_word))
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'));
    ends_are_words && separators_are_known
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag
            .bytes()
            .all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}
