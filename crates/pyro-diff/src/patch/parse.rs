//! From the text of a patch to its files.

use super::binary::BinaryReader;
use super::cursor::Cursor;
use super::hunk::parse_hunk;
use super::name::{Name, check_path, common_path, parse_bare_name, parse_git_line, parse_name, single_path};
use super::problem::{PatchInvalid, Problem};
use super::{Action, Body, FilePatch, Patch, canonical};
use crate::MAX_PATCH_BYTES;
use crate::blob::BlobId;
use crate::mode::Mode;

/// Reads a patch.
///
/// Text before, between and after files is skipped, as long as it cannot be a part of the diff. Paths come through as they
/// are written, without the prefixes `a/` and `b/`.
///
/// # Errors
/// [`PatchInvalid`] names the line and what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Patch, PatchInvalid> {
    let mut cursor = Cursor::new(text);
    if text.len() > MAX_PATCH_BYTES {
        return Err(cursor.invalid(Problem::PatchTooLarge(text.len())));
    }
    let mut binaries = BinaryReader::default();
    let mut files = Vec::new();
    while let Some(line) = cursor.peek() {
        if line.starts_with(b"diff --git ") {
            files.push(parse_git_file(&mut cursor, &mut binaries)?);
        } else if cursor.is_at_names() {
            files.push(parse_plain_file(&mut cursor)?);
        } else if let Some(problem) = stray_problem(line) {
            return Err(cursor.invalid(problem));
        } else {
            cursor.advance();
        }
    }
    if files.is_empty() {
        return Err(Cursor::new(text).invalid(Problem::NoDiff));
    }
    Ok(Patch { files })
}

/// What is wrong if a line that belongs to a file stands outside of one.
fn stray_problem(line: &[u8]) -> Option<Problem> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| line.starts_with(prefix.as_bytes()));
    if begins(&["@@@ ", "diff --cc ", "diff --combined "]) {
        Some(Problem::Combined)
    } else if begins(&["*** Begin Patch", "*** Update File: ", "*** Add File: "]) {
        Some(Problem::ForeignFormat)
    } else if begins(&["@@ "]) || matches!(line, b"@@" | b"GIT binary patch") {
        Some(Problem::OutsideFile)
    } else {
        None
    }
}

/// The lines between `diff --git` and the first hunk.
#[derive(Default)]
struct Header {
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    created: Option<Mode>,
    deleted: Option<Mode>,
    rename: (Option<Vec<u8>>, Option<Vec<u8>>),
    copy: (Option<Vec<u8>>, Option<Vec<u8>>),
    ids: Option<(BlobId, BlobId)>,
    index_mode: Option<Mode>,
}

impl Header {
    /// Reads the line at the cursor. `false` if it is none of these.
    fn read(&mut self, cursor: Cursor<'_>) -> Result<bool, Problem> {
        let name = |text| parse_bare_name(text).map(Some);
        if let Some(text) = cursor.field("old mode ") {
            self.old_mode = Some(parse_mode(text)?);
        } else if let Some(text) = cursor.field("new mode ") {
            self.new_mode = Some(parse_mode(text)?);
        } else if let Some(text) = cursor.field("new file mode ") {
            self.created = Some(parse_mode(text)?);
        } else if let Some(text) = cursor.field("deleted file mode ") {
            self.deleted = Some(parse_mode(text)?);
        } else if let Some(text) = cursor
            .field("rename from ")
            .or_else(|| cursor.field("rename old "))
        {
            self.rename.0 = name(text)?;
        } else if let Some(text) = cursor.field("rename to ").or_else(|| cursor.field("rename new ")) {
            self.rename.1 = name(text)?;
        } else if let Some(text) = cursor.field("copy from ") {
            self.copy.0 = name(text)?;
        } else if let Some(text) = cursor.field("copy to ") {
            self.copy.1 = name(text)?;
        } else if let Some(text) = cursor.field("index ") {
            self.read_index(text);
        } else {
            let says_nothing = ["similarity index ", "dissimilarity index "];
            return Ok(says_nothing.iter().any(|prefix| cursor.field(prefix).is_some()));
        }
        Ok(true)
    }

    /// Reads `old..new mode`. Models make up ids, so only whole ones count, and only binary content needs them.
    fn read_index(&mut self, text: &[u8]) {
        let mut words = text.split(|&byte| byte == b' ');
        let ids = words.next().unwrap_or_default();
        let is_id = |id: &BlobId| id.iter().all(u8::is_ascii_hexdigit);
        let (old, rest) = (ids.first_chunk(), ids.get(40..).unwrap_or_default());
        let new = rest.strip_prefix(b"..").and_then(|new| new.try_into().ok());
        self.ids = old
            .copied()
            .zip(new)
            .filter(|(old, new)| is_id(old) && is_id(new));
        self.index_mode = words.next().and_then(Mode::parse);
    }

    fn action(&self) -> Result<Action, Problem> {
        let is_some = |names: &(Option<_>, Option<_>)| names.0.is_some() || names.1.is_some();
        let claims = [
            (self.created.is_some(), Action::Create),
            (self.deleted.is_some(), Action::Delete),
            (is_some(&self.rename), Action::Rename),
            (is_some(&self.copy), Action::Copy),
        ];
        let mut claimed = claims.iter().filter(|claim| claim.0);
        match (claimed.next(), claimed.next()) {
            (None, _) => Ok(Action::Modify),
            (Some(claim), None) => Ok(claim.1),
            (Some(_), Some(_)) => Err(Problem::Contradiction),
        }
    }
}

fn parse_mode(text: &[u8]) -> Result<Mode, Problem> {
    Mode::parse(text.trim_ascii()).ok_or_else(|| Problem::Mode(text.to_vec()))
}

fn parse_git_file(cursor: &mut Cursor<'_>, binaries: &mut BinaryReader) -> Result<FilePatch, PatchInvalid> {
    let start = *cursor;
    let git_path = cursor.field("diff --git ").and_then(parse_git_line);
    cursor.advance();
    let mut header = Header::default();
    while header.read(*cursor).map_err(|problem| cursor.invalid(problem))? {
        cursor.advance();
    }
    let names_at = *cursor;
    let names = parse_names(cursor)?;
    let body = parse_body(cursor, binaries, header.ids)?;

    let at_names = |problem| names_at.invalid(problem);
    let mut action = header.action().map_err(|problem| start.invalid(problem))?;
    if let (Action::Modify, Some(names)) = (action, &names) {
        action = names.action().map_err(at_names)?;
    }
    let (old_path, new_path) = match action {
        Action::Rename => both(header.rename).map_err(|problem| start.invalid(problem))?,
        Action::Copy => both(header.copy).map_err(|problem| start.invalid(problem))?,
        Action::Modify | Action::Create | Action::Delete => {
            let path = git_file_path(action, names.as_ref(), git_path).map_err(at_names)?;
            sides(action, path)
        }
    };
    if let (Action::Rename | Action::Copy, Some(names)) = (action, &names) {
        names
            .check_move(old_path.as_deref(), new_path.as_deref())
            .map_err(at_names)?;
    }
    let file = FilePatch {
        action,
        old_path,
        new_path,
        old_mode: header.old_mode.or(header.deleted).or(header.index_mode),
        new_mode: header.new_mode.or(header.created),
        body,
    };
    check_file(&file).map_err(|problem| start.invalid(problem))?;
    Ok(file)
}

fn parse_plain_file(cursor: &mut Cursor<'_>) -> Result<FilePatch, PatchInvalid> {
    let start = *cursor;
    let invalid = |problem| start.invalid(problem);
    let names = parse_names(cursor)?.ok_or_else(|| invalid(Problem::HalfHeader))?;
    let action = names.action().map_err(invalid)?;
    let path = git_file_path(action, Some(&names), None).map_err(invalid)?;
    let (old_path, new_path) = sides(action, path);
    let body = parse_body(cursor, &mut BinaryReader::default(), None)?;
    let file = FilePatch {
        action,
        old_path,
        new_path,
        old_mode: None,
        new_mode: None,
        body,
    };
    check_file(&file).map_err(invalid)?;
    Ok(file)
}

/// The names in the lines `---` and `+++`.
struct Names {
    old: Name,
    new: Name,
}

impl Names {
    fn action(&self) -> Result<Action, Problem> {
        match (&self.old, &self.new) {
            (Name::Path(_), Name::Path(_)) => Ok(Action::Modify),
            (Name::Nothing, Name::Path(_)) => Ok(Action::Create),
            (Name::Path(_), Name::Nothing) => Ok(Action::Delete),
            (Name::Nothing, Name::Nothing) => Err(Problem::NoName),
        }
    }

    /// Refuses names that are not those of the rename or copy above them.
    fn check_move(&self, from: Option<&[u8]>, to: Option<&[u8]>) -> Result<(), Problem> {
        for (name, path) in [(&self.old, from), (&self.new, to)] {
            let (Name::Path(name), Some(path)) = (name, path) else {
                return Err(Problem::Contradiction);
            };
            let bare = name.get(2..).filter(|_| name[1] == b'/').unwrap_or(name);
            if canonical(name) != canonical(path) && canonical(bare) != canonical(path) {
                return Err(differ(name, path));
            }
        }
        Ok(())
    }
}

fn differ(old: &[u8], new: &[u8]) -> Problem {
    Problem::NamesDiffer {
        old: old.to_vec(),
        new: new.to_vec(),
    }
}

fn parse_names(cursor: &mut Cursor<'_>) -> Result<Option<Names>, PatchInvalid> {
    let Some(old) = cursor.field("--- ") else {
        return Ok(None);
    };
    let old = parse_name(old).map_err(|problem| cursor.invalid(problem))?;
    let first = *cursor;
    cursor.advance();
    let new = cursor
        .field("+++ ")
        .ok_or_else(|| first.invalid(Problem::HalfHeader))?;
    let new = parse_name(new).map_err(|problem| cursor.invalid(problem))?;
    cursor.advance();
    Ok(Some(Names { old, new }))
}

/// The path of a file that does not move.
fn git_file_path(
    action: Action,
    names: Option<&Names>,
    git_path: Option<Vec<u8>>,
) -> Result<Vec<u8>, Problem> {
    let Some(names) = names else {
        return git_path.ok_or(Problem::NoName);
    };
    let git = git_path.as_deref();
    let path = match (&names.old, &names.new) {
        (Name::Path(old), Name::Path(new)) => common_path(old, new).ok_or_else(|| differ(old, new))?,
        (Name::Nothing, Name::Path(new)) if action == Action::Create => single_path(new.clone(), b"b/", git),
        (Name::Path(old), Name::Nothing) if action == Action::Delete => single_path(old.clone(), b"a/", git),
        _ => return Err(Problem::Contradiction),
    };
    match git_path {
        Some(git_path) if canonical(&git_path) != canonical(&path) => Err(differ(&git_path, &path)),
        _ => Ok(path),
    }
}

type Sides = (Option<Vec<u8>>, Option<Vec<u8>>);

fn sides(action: Action, path: Vec<u8>) -> Sides {
    match action {
        Action::Create => (None, Some(path)),
        Action::Delete => (Some(path), None),
        Action::Modify | Action::Rename | Action::Copy => (Some(path.clone()), Some(path)),
    }
}

fn both(names: Sides) -> Result<Sides, Problem> {
    match names {
        (Some(from), Some(to)) => Ok((Some(from), Some(to))),
        _ => Err(Problem::HalfRename),
    }
}

fn parse_body(
    cursor: &mut Cursor<'_>,
    binaries: &mut BinaryReader,
    ids: Option<(BlobId, BlobId)>,
) -> Result<Body, PatchInvalid> {
    if cursor.peek() == Some(b"GIT binary patch") {
        return binaries.read(cursor, ids).map(Body::Binary);
    }
    let is_summary = |line: &[u8]| {
        (line.starts_with(b"Binary files ") || line.starts_with(b"Files ")) && line.ends_with(b" differ")
    };
    if cursor.peek().is_some_and(is_summary) {
        return Err(cursor.invalid(Problem::BinaryMissing));
    }
    let mut hunks = Vec::new();
    loop {
        let mut next = *cursor;
        next.skip_blank();
        if next.field("@@ ").is_none() && next.peek() != Some(b"@@") {
            break;
        }
        *cursor = next;
        hunks.push(parse_hunk(cursor)?);
    }
    Ok(if hunks.is_empty() {
        Body::Same
    } else {
        Body::Text(hunks)
    })
}

fn check_file(file: &FilePatch) -> Result<(), Problem> {
    for path in file.old_path.iter().chain(&file.new_path) {
        check_path(path)?;
    }
    let is_silent =
        matches!(file.body, Body::Same) && file.action == Action::Modify && file.new_mode.is_none();
    if is_silent {
        return Err(Problem::NoChange);
    }
    match (file.old_mode, file.new_mode) {
        (Some(old), Some(new)) if !old.is_same_type(new) => Err(Problem::TypeByMode),
        _ => Ok(()),
    }
}
