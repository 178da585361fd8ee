"""One-shot VMs and their commands."""

from __future__ import annotations

from ._base import Result
from .change import WorkspaceDiff
from .transfer import SkippedFile, WorkspaceExport


class StreamInfo(Result):
    """How complete a stream in a result is."""

    __slots__ = ()

    bytes: int
    """All bytes that the command wrote."""
    encoding: str
    """How the text stands for the bytes."""
    truncated: bool
    """Whether bytes are missing in the middle."""
    omitted_bytes: int
    """How many are missing."""
    stored_bytes: int
    """How many are there."""


class Cleanup(Result):
    """What became of a one-shot VM."""

    __slots__ = ()

    vm_id: str
    """The VM."""
    deleted: bool
    """Whether it is gone."""
    reason: str
    """Why."""


class VmExec(Result):
    """What a command in a one-shot VM did."""

    __slots__ = ()

    vm_id: str
    """The VM; it is gone."""
    environment: str
    """The environment as the caller named it."""
    environment_version: str
    """The version of the environment, such as a tag."""
    environment_digest: str
    """The digest that fixes the environment's content."""
    command: str
    """The command, as one line."""
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
    """Whether the caller ended it."""
    duration_ms: int
    """From its start to its end, in milliseconds, on the guest's clock."""
    boot_ms: int
    """From the start of the VMM to the agent's first answer, in milliseconds."""
    diff: WorkspaceDiff | None
    """What differs in `/workspace` from its beginning, if that was asked for; it is named after the VM."""
    exports: list[WorkspaceExport] | None
    """What was brought out, in the order in which it was asked for; ``None`` if nothing was."""
    skipped: list[SkippedFile] | None
    """What was left out of the seed; ``None`` without one."""
    cleanup: Cleanup
    """What became of the VM."""
    isolation: str
    """The strength of the wall around the guest."""
    vmm: str
    """The program that ran the guest."""
    execution_mode: str
    """How the host talked to the guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""
    metadata: dict[str, str]
    """Further facts: kernel, VMM version, start kind, confinement."""


class VmInfo(Result):
    """A one-shot VM that was created ahead of its command."""

    __slots__ = ()

    vm_id: str
    """Its id."""
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
    ttl_seconds: int
    """How long it may be idle, in seconds."""
    created_at: str
    """When it was made, RFC 3339 UTC."""
    last_activity_at: str
    """When it was last used."""
    expires_at: str | None
    """When it will be deleted if nobody uses it; ``None`` while something runs in it."""
    state: str
    """What it is doing."""
    stop_reason: str | None
    """Why it does not run, if it did before."""
    last_error: str | None
    """What went wrong last."""
    network_enabled: bool
    """Whether it has a network."""
    allow_host_compat: bool
    """Whether it may run without isolation."""
    guest_ip: str | None
    """Its address, if it has a network."""
    tap_name: str | None
    """There is no network interface on the host."""
    isolation: str | None
    """The strength of the wall around the guest, while it runs."""
    vmm: str | None
    """The program that runs the guest."""
    execution_mode: str
    """How the host talks to the guest."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""
    metadata: dict[str, str]
    """Further facts: kernel, VMM version, start kind, confinement."""


class VmDeletion(Result):
    """A one-shot VM that is gone."""

    __slots__ = ()

    vm_id: str
    """The VM."""
    deleted: bool
    """Whether it is gone."""
    reason: str
    """Why."""


class Reap(Result):
    """One-shot VMs that were removed because their time was over."""

    __slots__ = ()

    deleted_vm_ids: list[str]
    """Those that are gone now, in the order of their ids."""
    count: int
    """How many they are."""


class VmNetwork(Result):
    """The network of a one-shot VM."""

    __slots__ = ()

    vm_id: str
    """The VM."""
    network_enabled: bool
    """Whether it has one."""
    outbound_connectivity_expected: bool
    """Whether its programs can reach anything outside."""
    reason: str
    """Why."""
    tap_name: str | None
    """There is no network interface on the host."""
    guest_ip: str | None
    """The guest's address."""
    gateway_ip: str | None
    """The address of its way out."""
    subnet_cidr: str | None
    """The network that both are in."""
    mac_address: str | None
    """The hardware address of the guest's device."""
    dns_servers: list[str]
    """Who answers names."""
    blocked_count: int
    """How many connections were refused."""
