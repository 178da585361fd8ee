"""Diffs and patches."""

from __future__ import annotations

from typing import Any, Mapping

from ._base import Result


class DiffSummary(Result):
    """How many entries there are of each kind."""

    __slots__ = ()

    total: int
    """All entries."""
    added: int
    """New paths."""
    modified: int
    """Files with another content."""
    deleted: int
    """Paths that are gone."""
    renamed: int
    """Paths that had another name."""
    type_changed: int
    """Paths of another type."""
    mode_changed: int
    """Files that became executable, or ceased to be."""
    text_patched: int
    """Entries that the patch has as text."""
    non_text: int
    """Entries whose content is binary."""


class IgnoredChanges(Result):
    """Changes that Git ignores."""

    __slots__ = ()

    count: int
    """How many paths."""
    bytes: int
    """The length of their contents, in bytes."""


class DiffEntry(Result):
    """A changed path."""

    __slots__ = ("_text_patch",)

    _text_patch: str

    path: str
    """The path, relative to the tree."""
    path_base64: str | None
    """The path in base64, if it is not UTF-8."""
    old_path: str | None
    """The path that it had, if that was another."""
    status: str
    """What happened."""
    artifact_type: str
    """What it is, or was."""
    old_mode: str | None
    """Git's mode before, as in ``100644``."""
    new_mode: str | None
    """Git's mode now."""
    insertions: int | None
    """How many lines are new."""
    deletions: int | None
    """How many lines are gone."""
    patch_offset: int
    """Where its text begins in the patch, in bytes."""
    patch_bytes: int
    """The length of its text in the patch, in bytes."""
    patch_omitted: str | None
    """Why the patch does not bring this change about, if it does not."""

    @property
    def text_patch(self) -> str:
        """Its text in the patch."""
        return self._text_patch


class WorkspaceDiff(Result):
    """What differs between a workspace and its baseline."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    from_snapshot: str
    """What it was compared with."""
    changed: bool
    """Whether anything that is shown differs."""
    truncated: bool
    """Whether something is not in the patch because it is too large."""
    redacted: bool
    """Whether secrets were replaced in it."""
    summary: DiffSummary
    """How many entries there are of each kind."""
    ignored: IgnoredChanges
    """What is not shown because Git ignores it."""
    entries: list[DiffEntry]
    """The changed paths."""
    patch: str
    """The patch in Git's format; bytes that are not UTF-8 are replaced."""
    auto_started: bool
    """Whether the workspace was started for it."""
    isolation: str | None
    """The strength of the wall around the guest."""
    vmm: str | None
    """The program that runs the guest."""
    execution_mode: str
    """How the host talks to the guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        patch = self.patch.encode()
        for entry in self.entries:
            text = patch[entry.patch_offset : entry.patch_offset + entry.patch_bytes]
            entry._text_patch = text.decode(errors="replace")


class PatchSummary(Result):
    """How many files of a patch there are of each kind."""

    __slots__ = ()

    total: int
    """All files."""
    added: int
    """New ones."""
    modified: int
    """Changed ones."""
    deleted: int
    """Deleted ones."""
    renamed: int
    """Ones with another name."""


class PatchHunk(Result):
    """A hunk that applied."""

    __slots__ = ()

    hunk: int
    """Its number in its file, from 1."""
    line: int
    """The line at which it applied."""
    offset: int
    """How many lines that is after the line that it states."""


class PatchEntry(Result):
    """A file of a patch."""

    __slots__ = ()

    path: str
    """The path, absolute."""
    status: str
    """What happened."""
    hunks: list[PatchHunk]
    """Where its hunks applied."""


class PatchResult(Result):
    """A patch that was applied, or would be."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    changed: bool
    """Whether it changed anything, or would."""
    dry_run: bool
    """Whether it was only checked."""
    summary: PatchSummary
    """How many entries there are of each kind."""
    entries: list[PatchEntry]
    """The files of the patch, in its order."""
    auto_started: bool
    """Whether the workspace was started for it."""
    isolation: str | None
    """The strength of the wall around the guest."""
    vmm: str | None
    """The program that runs the guest."""
    execution_mode: str
    """How the host talks to the guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""
