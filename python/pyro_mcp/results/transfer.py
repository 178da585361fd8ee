"""What goes into workspaces and comes out of them."""

from __future__ import annotations

from ._base import Result


class SkippedFile(Result):
    """A file that was left out."""

    __slots__ = ()

    path: str
    """Its path, relative to the source."""
    reason: str
    """Why, in one word such as ``fifo``."""


class WorkspaceSeed(Result):
    """What a workspace began with."""

    __slots__ = ()

    mode: str
    """Where it came from."""
    seed_path: str | None
    """The directory or archive on the host."""
    destination: str
    """Where it is in the guest."""
    origin_kind: str
    """How the source was chosen."""
    origin_ref: str | None
    """The commit or branch of a repository."""
    entry_count: int
    """How many names it has."""
    bytes_written: int
    """The length of all contents, in bytes."""
    ignored_count: int
    """How many files were left out because Git ignores them."""
    skipped: list[SkippedFile]
    """What was left out for other reasons."""


class SyncReport(Result):
    """What was brought in."""

    __slots__ = ()

    mode: str
    """Where it came from."""
    source_path: str
    """The directory or archive on the host."""
    destination: str
    """Where it is in the guest."""
    entry_count: int
    """How many names were put in place."""
    bytes_written: int
    """The length of their contents, in bytes."""
    deleted_count: int
    """How many files were removed because the source lacks them."""
    ignored_count: int
    """How many files were left out because Git ignores them."""
    skipped: list[SkippedFile]
    """What was left out for other reasons."""
    deleted_paths: list[str]
    """What a dry run would remove, at most the first thousand."""


class WorkspaceSync(Result):
    """What was brought into a workspace."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    dry_run: bool
    """Whether nothing was changed."""
    workspace_sync: SyncReport
    """What was brought in."""
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


class WorkspaceExport(Result):
    """What was brought out of a workspace."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    workspace_path: str
    """What was exported, absolute in the guest."""
    output_path: str
    """Where it is on the host, absolute."""
    artifact_type: str
    """What it is."""
    entry_count: int
    """How many names were written."""
    bytes_written: int
    """The length of their contents, in bytes."""
    deleted_paths: list[str]
    """With changes only: what is gone, relative to what was exported."""
    skipped: list[SkippedFile]
    """What was left out."""
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
