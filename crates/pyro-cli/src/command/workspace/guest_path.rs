//! Paths in a guest as people type them: any bytes, relative to /workspace or below it; or, where a result has a
//! `path_base64`, that behind `base64:`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use pyro::object::SkippedFile;
use pyro::{InvalidTreePath, Result, TREE, TreePath};

use crate::failure::Failure;
use crate::table::escaped;

/// How many skipped files are told of one by one.
const TOLD: usize = 20;

/// The path that was given.
///
/// # Errors
/// `path-refused` if it leaves the tree, `invalid-argument` if it cannot be the path of anything.
pub(crate) fn parse(given: &OsStr) -> Result<TreePath> {
    TreePath::parse_given(given.as_bytes()).map_err(|error| match error {
        InvalidTreePath::Outside { .. } => error.into(),
        InvalidTreePath::Malformed { .. } => {
            let hint = format!("give a path relative to {TREE}, as in `src/main.rs`");
            Failure::invalid(error.to_string(), hint).into()
        }
    })
}

/// What was left out, as warnings.
pub(crate) fn skipped(files: &[SkippedFile]) -> Vec<String> {
    let told = files.iter().take(TOLD).map(|file| {
        let (path, reason) = (escaped(&file.path), escaped(&file.reason));
        format!("skipped `{path}`: {reason}")
    });
    let mut told: Vec<String> = told.collect();
    if files.len() > TOLD {
        told.push(format!(
            "skipped {} more; `--json` names them all",
            files.len() - TOLD
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use pyro::ErrorCode;

    use super::*;

    #[test]
    fn a_path_that_is_refused_comes_with_a_next_step() {
        for (given, code) in [
            (&b"../x"[..], ErrorCode::PathRefused),
            (b"/etc/passwd", ErrorCode::PathRefused),
            (b"", ErrorCode::InvalidArgument),
            (b"base64:#", ErrorCode::InvalidArgument),
        ] {
            let error = parse(OsStr::from_bytes(given)).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains(TREE)), "{error}");
        }
        for given in [&b"caf\xe9"[..], b"base64:Y2Fm6Q=="] {
            let path = parse(OsStr::from_bytes(given)).unwrap();
            assert_eq!(path.as_bytes(), b"caf\xe9");
        }
    }
}
