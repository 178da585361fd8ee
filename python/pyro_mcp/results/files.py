"""Files of workspaces."""

from __future__ import annotations

from ._base import Result


class FileInfo(Result):
    """An entry of a list."""

    __slots__ = ()

    path: str
    """The path, absolute."""
    path_base64: str | None
    """The path in base64, if it is not UTF-8."""
    artifact_type: str
    """What it is."""
    size_bytes: int
    """The length of a file, in bytes."""
    mode: str
    """The permission bits in octal, as in ``0644``."""
    modified_at: str | None
    """When the content was last changed, RFC 3339 UTC."""
    link_target: str | None
    """Where a symbolic link leads."""


class FileList(Result):
    """A directory of the workspace."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    path: str
    """The directory, absolute."""
    recursive: bool
    """Whether what is in its directories is listed too."""
    count: int
    """How many entries are listed."""
    next_page: str | None
    """Where the next page begins."""
    entries: list[FileInfo]
    """The entries, in the order of their paths."""
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


class FileRead(Result):
    """A part of a file."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    path: str
    """The file, absolute."""
    size_bytes: int
    """The length of the whole file, in bytes."""
    mode: str
    """The permission bits in octal."""
    max_bytes: int
    """The most bytes that were asked for."""
    offset: int
    """From which byte on it was read."""
    next_offset: int | None
    """Where to go on, if there is more."""
    start_line: int | None
    """From which line on it was read, if lines were asked for."""
    line_count: int | None
    """How many lines were read, if lines were asked for."""
    content: str
    """The content, as ``encoding`` says."""
    encoding: str
    """How the content is written."""
    truncated: bool
    """Whether the file has more."""
    redacted: bool
    """Whether secrets were replaced in it."""
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


class FileWrite(Result):
    """A file that was written."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    path: str
    """The file, absolute."""
    size_bytes: int
    """Its length, in bytes."""
    bytes_written: int
    """How many bytes were given."""
    mode: str
    """The permission bits in octal."""
    created: bool
    """Whether it is new."""
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
