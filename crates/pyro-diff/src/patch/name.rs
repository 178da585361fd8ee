//! The names of files in headers, and what single path two of them mean.

use super::problem::Problem;
use crate::quote::unquote;

/// A name in a `---` or `+++` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// `/dev/null`: on this side there is no file.
    Nothing,
    /// As written, with its prefix.
    Path(Vec<u8>),
}

/// Reads a name, which may be quoted and followed by a time.
pub(super) fn parse_name(text: &[u8]) -> Result<Name, Problem> {
    if text.starts_with(b"\"") {
        let (path, _) = unquote(text).ok_or(Problem::NoName)?;
        return Ok(Name::Path(path));
    }
    let path = match text.iter().position(|&byte| byte == b'\t') {
        Some(tab) => &text[..tab],
        None => without_time(text),
    };
    match path {
        b"" => Err(Problem::NoName),
        b"/dev/null" => Ok(Name::Nothing),
        path => Ok(Name::Path(path.to_vec())),
    }
}

/// Reads the name in a `rename` or `copy` line, which has neither prefix nor time.
pub(super) fn parse_bare_name(text: &[u8]) -> Result<Vec<u8>, Problem> {
    if text.starts_with(b"\"") {
        return unquote(text).map(|(path, _)| path).ok_or(Problem::NoName);
    }
    Ok(text.to_vec())
}

/// The path in a `diff --git` line, if both names there mean the same.
pub(super) fn parse_git_line(text: &[u8]) -> Option<Vec<u8>> {
    if text.starts_with(b"\"") {
        let (old, rest) = unquote(text)?;
        let new = rest.strip_prefix(b" ")?;
        return common_path(&old, &parse_bare_name(new).ok()?);
    }
    if text.ends_with(b"\"")
        && let Some(blank) = text.windows(2).position(|pair| pair == b" \"")
    {
        let (new, rest) = unquote(&text[blank + 1..])?;
        return common_path(&text[..blank], &new).filter(|_| rest.is_empty());
    }
    // Names may contain blanks, but two that mean the same are equally long.
    let middle = text.len() / 2;
    match text.get(middle) {
        Some(b' ') if text.len() % 2 == 1 => common_path(&text[..middle], &text[middle + 1..]),
        _ => None,
    }
}

/// The one path that the names of both sides mean.
pub(super) fn common_path(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    if let (Some(old), Some(new)) = (old.strip_prefix(b"a/"), new.strip_prefix(b"b/")) {
        return same_file(old, new);
    }
    let bare = |name: &[u8], prefix: &[u8]| name.strip_prefix(prefix).map(<[u8]>::to_vec);
    if old == new {
        return Some(new.to_vec());
    }
    // Git can be told to say what it compares: index, work tree, commit, object.
    if let (
        [b'i' | b'c' | b'o' | b'w' | b'1', b'/', old @ ..],
        [b'i' | b'c' | b'o' | b'w' | b'2', b'/', new @ ..],
    ) = (old, new)
        && old == new
    {
        return Some(new.to_vec());
    }
    bare(old, b"a/")
        .and_then(|old| same_file(&old, new))
        .or_else(|| bare(new, b"b/").and_then(|new| same_file(old, &new)))
        .or_else(|| same_file(old, new))
}

/// The second path, if the first is the same, or the original that was kept beside it.
fn same_file(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let original = old.strip_suffix(b".orig").unwrap_or(old);
    let is_same = |old: &[u8]| canonical(old) == canonical(new);
    (is_same(old) || is_same(original)).then(|| new.to_vec())
}

/// The path of a new or deleted file: the only name that there is, without its prefix.
///
/// Whether it has one shows in the path of the `diff --git` line, where there is one.
pub(super) fn single_path(name: Vec<u8>, prefix: &[u8], git_path: Option<&[u8]>) -> Vec<u8> {
    let is_prefixed = match git_path {
        Some(path) => name.get(2..) == Some(path) && name[1] == b'/',
        None => name.starts_with(prefix),
    };
    if is_prefixed { name[2..].to_vec() } else { name }
}

/// A path as components below `/workspace`, for comparing.
pub(crate) fn canonical(path: &[u8]) -> Vec<u8> {
    let below = path.strip_prefix(b"/workspace/").unwrap_or(path);
    let components = below.split(|&byte| byte == b'/');
    let named: Vec<&[u8]> = components
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    named.join(&b'/')
}

/// Refuses paths that no file below `/workspace` can have.
pub(super) fn check_path(path: &[u8]) -> Result<(), Problem> {
    let below = path.strip_prefix(b"/workspace").unwrap_or(path);
    let leaves = (path.starts_with(b"/") && (below == path || !below.starts_with(b"/")))
        || path.split(|&byte| byte == b'/').any(|name| name == b"..");
    if leaves {
        return Err(Problem::PathLeaves(path.to_vec()));
    }
    let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if path.contains(&0) || matches!(last, b"" | b".") {
        return Err(Problem::PathUnusable(path.to_vec()));
    }
    Ok(())
}

/// Cuts off a time in the way of `diff -u` that follows without a tab, ` 2024-01-31 10:00:00`, maybe with a fraction
/// and a zone.
fn without_time(text: &[u8]) -> &[u8] {
    const SHAPE: &[u8] = b" 0000-00-00 00:00:00";
    let is_time = |window: &[u8]| {
        let pairs = window.iter().zip(SHAPE);
        pairs.into_iter().all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
    };
    let Some(start) = text.windows(SHAPE.len()).rposition(is_time) else {
        return text;
    };
    let tail = &text[start + SHAPE.len()..];
    let is_tail = tail
        .iter()
        .all(|byte| byte.is_ascii_digit() || b". +-".contains(byte));
    if is_tail {
        text[..start].trim_ascii_end()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Name {
        Name::Path(text.as_bytes().to_vec())
    }

    #[test]
    fn times_are_no_part_of_a_name() {
        for text in [
            "a/x y\t2024-01-31 10:00:00.123 +0100",
            "a/x y 2024-01-31 10:00:00.123 +0100",
            "a/x y  2024-01-31 10:00:00",
            "a/x y\t",
            "\"a/x y\"\t2024",
        ] {
            assert_eq!(parse_name(text.as_bytes()), Ok(path("a/x y")), "{text}");
        }
        let dated = "a/log 2024-01-31 10:00:00.txt";
        assert_eq!(parse_name(dated.as_bytes()), Ok(path(dated)));
        assert_eq!(parse_name(b"/dev/null\t1970-01-01"), Ok(Name::Nothing));
        assert_eq!(parse_name(b""), Err(Problem::NoName));
    }

    #[test]
    fn two_names_mean_one_path() {
        for (old, new, meant) in [
            ("a/x", "b/x", Some("x")),
            ("x", "x", Some("x")),
            ("a/x", "a/x", Some("a/x")),
            ("i/x", "w/x", Some("x")),
            ("a/x", "x", Some("x")),
            ("x", "b/x", Some("x")),
            ("x.orig", "x", Some("x")),
            ("a/x", "/workspace/x", Some("/workspace/x")),
            ("./x", "x", Some("x")),
            ("a/x", "b/y", None),
            ("x", "y", None),
        ] {
            let path = common_path(old.as_bytes(), new.as_bytes());
            assert_eq!(path.as_deref(), meant.map(str::as_bytes), "{old} {new}");
        }
    }

    #[test]
    fn git_lines_are_split_where_both_halves_mean_the_same() {
        for (text, meant) in [
            ("a/x y b/x y", Some("x y")),
            ("a/x b/x b/x b/x", Some("x b/x")),
            ("x x", Some("x")),
            (r#""a/\303\274" "b/\303\274""#, Some("ü")),
            (r#"a/q "b/q""#, Some("q")),
            ("a/x b/y", None),
            ("a/x", None),
            ("", None),
        ] {
            assert_eq!(
                parse_git_line(text.as_bytes()).as_deref(),
                meant.map(str::as_bytes),
                "{text}"
            );
        }
    }

    #[test]
    fn paths_stay_below_the_workspace() {
        for path in ["x", "a b/c", "/workspace/x", "..x/y", "./x", "workspace/x"] {
            assert_eq!(check_path(path.as_bytes()), Ok(()), "{path}");
        }
        for path in [
            "/etc/passwd",
            "../x",
            "a/..",
            "a/../b",
            "/workspace/../x",
            "/workspacex/y",
            "/",
        ] {
            let leaves = Problem::PathLeaves(path.as_bytes().to_vec());
            assert_eq!(check_path(path.as_bytes()), Err(leaves), "{path}");
        }
        for path in ["", ".", "a/", "a/.", "a\0b", "/workspace/"] {
            let unusable = Problem::PathUnusable(path.as_bytes().to_vec());
            assert_eq!(check_path(path.as_bytes()), Err(unusable), "{path}");
        }
    }
}
