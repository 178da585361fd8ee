//! `pyro workspace file list`.

use std::ffi::OsString;

use clap::Args;
use pyro::object::{ArtifactType, FileInfo, FileList};
use pyro::{ListFilesRequest, Pyro, Result, TREE};

use super::super::{Which, guest_path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format;
use crate::option::whole_number;
use crate::table::{Table, escaped};
use crate::ui::{Form, Ui};
use crate::wait;
use crate::when;

/// List a directory of a workspace
///
/// Links are listed as links, with where they lead. Control characters in names are shown as escapes; names that are no
/// UTF-8 are complete in `--json`, as `path_base64`, and any PATH may be given in that form: `base64:L3dvcmtzcGFjZS9jYWbp`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pyro workspace file list alpha\n  pyro workspace file list alpha src --recursive --limit 100"
)]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,

    /// Directory, relative to /workspace or below it
    #[arg(value_name = "PATH", default_value = TREE)]
    path: OsString,

    /// List what is in its directories too
    #[arg(long)]
    recursive: bool,

    /// List no more than this many [default: all]
    #[arg(long, value_name = "N", value_parser = whole_number, allow_negative_numbers = true)]
    limit: Option<u64>,
}

/// Shows the list.
pub(super) fn execute(list: &List, pyro: &Pyro, ui: Ui) -> Result<Exit> {
    let mut request = ListFilesRequest::default();
    request.path = guest_path::parse(&list.path)?;
    request.recursive = list.recursive;
    request.limit = list.limit;
    if list.limit == Some(0) {
        let hint = "leave `--limit` out to list all";
        return Err(Failure::invalid("`limit` must be at least 1, got 0", hint).into());
    }
    let workspace = list.which.find(pyro)?;
    let found = wait::block_on(wait::unless_interrupted(
        "listing the files",
        "run it again",
        workspace.list_files(&request),
    ))?;
    ui.warnings(&found.warnings);
    ui.result(&found, text)?;
    if ui.form() == Form::Human && found.next_page.is_some() {
        let shown = format::count(found.entries.len(), "entry");
        ui.summary(&format!("{shown} of more; raise `--limit` to see them"));
    }
    Ok(Exit::Done)
}

fn text(list: &FileList) -> String {
    let mut table = Table::with_heading(["MODE", "SIZE", "MODIFIED", "PATH"]);
    for entry in &list.entries {
        table.push(row(entry));
    }
    table.render()
}

fn row(entry: &FileInfo) -> [String; 4] {
    let mut path = escaped(&entry.path);
    if let Some(target) = &entry.link_target {
        path.push_str(" -> ");
        path.push_str(&escaped(target));
    }
    let size = match entry.artifact_type {
        ArtifactType::File => format::size(entry.size_bytes),
        _ => "-".to_owned(),
    };
    [
        mode(entry.artifact_type, &entry.mode),
        size,
        entry
            .modified_at
            .as_deref()
            .map_or_else(|| "-".to_owned(), when::relative),
        path,
    ]
}

/// Type and permissions as `ls -l` shows them; what is no octal number stays as it is.
fn mode(kind: ArtifactType, octal: &str) -> String {
    let kind = match kind {
        ArtifactType::File => '-',
        ArtifactType::Directory => 'd',
        ArtifactType::Symlink => 'l',
        ArtifactType::Fifo => 'p',
        ArtifactType::Socket => 's',
        ArtifactType::Device => 'c',
        _ => '?',
    };
    let Ok(bits) = u32::from_str_radix(octal, 8) else {
        return format!("{kind}{}", escaped(octal));
    };
    let mut text = String::from(kind);
    for (shift, special, mark) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let letter = |bit: u32, letter: char| if bits >> shift & bit != 0 { letter } else { '-' };
        let is_executable = bits >> shift & 1 != 0;
        text.push(letter(4, 'r'));
        text.push(letter(2, 'w'));
        text.push(match (bits & special != 0, is_executable) {
            (true, true) => mark,
            (true, false) => mark.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_as_ls_shows_them() {
        for (kind, octal, shown) in [
            (ArtifactType::File, "0644", "-rw-r--r--"),
            (ArtifactType::Directory, "1777", "drwxrwxrwt"),
            (ArtifactType::File, "4755", "-rwsr-xr-x"),
            (ArtifactType::File, "2640", "-rw-r-S---"),
            (ArtifactType::Symlink, "0777", "lrwxrwxrwx"),
            (ArtifactType::Fifo, "?\n", "p?\\n"),
        ] {
            assert_eq!(mode(kind, octal), shown);
        }
    }
}
