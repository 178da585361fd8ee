"""Workspaces and their commands."""

from __future__ import annotations

from ._base import Result
from .change import WorkspaceDiff
from .transfer import WorkspaceSeed
from .vm import StreamInfo


class SecretInfo(Result):
    """A secret, without its value."""

    __slots__ = ()

    name: str
    """What it is called."""
    source_kind: str
    """What its value was taken from."""


class LastCommand(Result):
    """A command in short."""

    __slots__ = ()

    sequence: int
    """Its number."""
    command: str
    """The command, as one line."""
    cwd: str
    """Where it ran."""
    exit_code: int | None
    """Its exit code."""
    outcome: str
    """How it ended."""
    duration_ms: int | None
    """How long it took, in milliseconds."""


class WorkspaceReset(Result):
    """A reset."""

    __slots__ = ()

    snapshot_name: str
    """What it was returned to."""
    kind: str
    """What kind of snapshot that is."""
    destination: str
    """Where its tree is in the guest."""
    entry_count: int
    """How many files the tree begins with again."""
    bytes_written: int
    """What they hold, in bytes."""
    restored: str
    """What was restored."""


class WorkspaceInfo(Result):
    """A workspace."""

    __slots__ = ()

    workspace_id: str
    """Its id."""
    name: str | None
    """Its name."""
    labels: dict[str, str]
    """What its owner noted of it."""
    environment: str
    """The environment as it was named."""
    environment_version: str
    """The version of the environment, such as a tag."""
    environment_digest: str
    """The digest that fixes the environment's content."""
    vcpu_count: int
    """Virtual CPUs."""
    mem_mib: int
    """Memory, in MiB."""
    disk_gib: int
    """The quota of its disk, in GiB."""
    disk_used_bytes: int
    """What its disk takes on the host, in bytes."""
    ttl_seconds: int
    """How long it may be idle, in seconds."""
    created_at: str
    """When it was made, RFC 3339 UTC."""
    last_activity_at: str
    """When it was last used."""
    expires_at: str | None
    """When it will be stopped if nobody uses it; ``None`` while it is stopped or something runs in it."""
    state: str
    """What it is doing."""
    stop_reason: str | None
    """Why it has no VM."""
    last_error: str | None
    """What went wrong last."""
    network_policy: str
    """What its guest may reach; ``off`` is nothing."""
    network_enabled: bool
    """Whether it has a network."""
    allowed_domains: list[str]
    """The names that its guest may reach."""
    allowed_cidrs: list[str]
    """The networks that its guest may reach."""
    allow_host_compat: bool
    """Whether it may run without isolation."""
    guest_ip: str | None
    """Its address, if it has a network."""
    tap_name: str | None
    """There is no network interface on the host."""
    workspace_path: str
    """Where its tree is in the guest."""
    workspace_seed: WorkspaceSeed
    """What its tree began with."""
    secrets: list[SecretInfo]
    """The secrets that it has, without their values."""
    command_count: int
    """Commands of this generation."""
    total_command_count: int
    """Commands of all generations."""
    last_command: LastCommand | None
    """The last command."""
    reset_count: int
    """Resets so far."""
    last_reset_at: str | None
    """When it was last reset."""
    service_count: int
    """Services that it has, ended ones included."""
    running_service_count: int
    """Services that run."""
    workspace_reset: WorkspaceReset | None
    """The last reset, in the result of one."""
    auto_started: bool
    """Whether this operation started it."""
    isolation: str | None
    """The strength of the wall around the guest, while there is one."""
    vmm: str | None
    """The program that runs the guest."""
    execution_mode: str
    """How the host talks to the guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""
    metadata: dict[str, str]
    """Further facts: kernel, VMM version, start kind, confinement."""


class WorkspaceSummary(Result):
    """A workspace in a list."""

    __slots__ = ()

    workspace_id: str
    """Its id."""
    name: str | None
    """Its name."""
    labels: dict[str, str]
    """What its owner noted of it."""
    environment: str
    """The environment as it was named."""
    state: str
    """What it is doing."""
    created_at: str | None
    """When it was made."""
    last_activity_at: str | None
    """When it was last used."""
    expires_at: str | None
    """When it will be stopped if nobody uses it."""
    command_count: int
    """Commands of this generation."""
    service_count: int
    """Services that it has, ended ones included."""
    running_service_count: int
    """Services that run."""
    last_error: str | None
    """What is wrong with a damaged one."""
    isolation: str | None
    """The strength of the wall around its guest, while it has one."""
    vmm: str | None
    """The program that runs its guest."""
    execution_mode: str
    """How the host talks to its guest."""


class WorkspaceList(Result):
    """All workspaces, latest activity first."""

    __slots__ = ()

    count: int
    """How many are listed."""
    next_page: str | None
    """Where the next page begins."""
    workspaces: list[WorkspaceSummary]
    """The workspaces."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""


class WorkspaceExec(Result):
    """A command in a workspace."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    sequence: int
    """Its number."""
    generation: int
    """The generation in which it ran."""
    environment: str
    """The environment as it was named."""
    environment_version: str
    """The version of the environment, such as a tag."""
    environment_digest: str
    """The digest that fixes the environment's content."""
    command: str
    """The command, as one line."""
    cwd: str
    """Where it ran."""
    guest_pid: int | None
    """Its process id as the workspace's processes see it, if it was started; it leads its process group."""
    stdout: str
    """What was kept of its standard output."""
    stderr: str
    """What was kept of its standard error."""
    stdout_info: StreamInfo
    """How complete ``stdout`` is."""
    stderr_info: StreamInfo
    """How complete ``stderr`` is."""
    exit_code: int | None
    """The exit code: the guest's for a command that ended, 124 and 130 for one that was ended."""
    outcome: str
    """How it ended."""
    signal: int | None
    """The signal that ended it."""
    oom_killed: bool
    """Whether the guest's kernel killed a process of it for want of memory."""
    timed_out: bool
    """Whether its time was up."""
    cancelled: bool
    """Whether it was ended before it came to its end."""
    duration_ms: int
    """From its start to its end, in milliseconds, on the guest's clock."""
    left_running: int
    """Processes of it that still run."""
    diff: WorkspaceDiff | None
    """What it changed in the tree, if that was asked for."""
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
    metadata: dict[str, str]
    """Further facts: kernel, VMM version, start kind, confinement."""


class LogEntry(Result):
    """A command of the history, with its output."""

    __slots__ = ()

    sequence: int
    """Its number."""
    generation: int
    """The generation in which it ran."""
    command: str
    """The command, as one line."""
    cwd: str
    """Where it ran."""
    exit_code: int | None
    """Its exit code."""
    outcome: str
    """How it ended."""
    duration_ms: int | None
    """How long it took, in milliseconds."""
    recorded_at: str
    """When it began."""
    stdout: str
    """What is kept of its standard output, from ``offset`` on."""
    stderr: str
    """What is kept of its standard error, from ``offset`` on."""
    stdout_info: StreamInfo
    """How complete its standard output is."""
    stderr_info: StreamInfo
    """How complete its standard error is."""
    offset: int
    """From which byte of what is kept the text begins."""
    next_offset: int | None
    """Where to go on, if there is more."""
    stdout_file: str | None
    """Where the output is kept."""
    stderr_file: str | None
    """Where the output is kept."""
    output_dropped: bool
    """Whether what was kept of its output was given up for that of later commands."""


class WorkspaceLogs(Result):
    """Commands of a workspace."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    count: int
    """How many are listed."""
    entries: list[LogEntry]
    """The commands, oldest first."""
    isolation: str | None
    """The strength of the wall around its guest, while it has one."""
    vmm: str | None
    """The program that runs its guest."""
    execution_mode: str
    """How the host talks to its guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""


class WorkspaceDeletion(Result):
    """A workspace that is gone."""

    __slots__ = ()

    workspace_id: str
    """The workspace."""
    deleted: bool
    """Whether it is gone."""
    reason: str
    """Why."""
    isolation: str | None
    """The strength of the wall around its guest, which it has no more."""
    vmm: str | None
    """The program that runs its guest."""
    execution_mode: str
    """How the host talks to its guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""
