"""The state of the host, and of what pyro keeps on it."""

from __future__ import annotations

from typing import Any

from ._base import Result


class DoctorCheck(Result):
    """One check."""

    __slots__ = ()

    id: str
    """A stable name, such as ``runtime.kernel``."""
    status: str
    """How it went."""
    summary: str
    """One line for people."""
    fix: str | None
    """What to do about it."""


class DoctorIssue(Result):
    """One thing that needs doing."""

    __slots__ = ()

    id: str
    """The check that found it."""
    severity: str
    """How much it matters."""
    message: str
    """One sentence."""
    fix: str
    """What to do, with a command."""


class TierState(Result):
    """What a tier can do here with one VMM."""

    __slots__ = ()

    isolation: str
    """The tier."""
    vmm: str
    """The VMM."""
    usable: bool
    """Whether a guest can be started in it."""
    reason: str
    """Why, or why not."""


class KvmState(Result):
    """The state of ``/dev/kvm``."""

    __slots__ = ()

    exists: bool
    """Whether the device is there."""
    readable: bool
    """Whether this user may read it."""
    writable: bool
    """Whether this user may write it."""
    usable: bool
    """Whether a guest runs on it."""
    reason: str
    """Why, or why not."""


class DoctorReport(Result):
    """Everything that doctor found."""

    __slots__ = ()

    platform: str
    """The platform that was checked."""
    status: str
    """The worst status of all checks."""
    runtime_ok: bool
    """Whether kernel, agent and VMM are there and unchanged."""
    checks: list[DoctorCheck]
    """Every check."""
    issues: list[DoctorIssue]
    """What needs doing."""
    tiers: list[TierState]
    """What each tier can do here."""
    kvm: KvmState
    """The state of ``/dev/kvm``."""
    networking: Any
    """The state of guest networking."""
    runtime: Any
    """Kernel, agent and VMM: paths, versions, digests."""
    disk: Any
    """Free space and features of the state and cache directories."""
    memory: Any
    """Memory of the host, in bytes."""
    leftovers: Any
    """What earlier runs left behind."""
    environments: Any
    """The environments that were checked."""


class PrepareStep(Result):
    """One step."""

    __slots__ = ()

    name: str
    """A stable name: ``environment``, ``template`` or ``restore``."""
    duration_ms: int
    """How long it took, in milliseconds."""
    error: Any | None
    """The error object of a step that failed."""


class PrepareReport(Result):
    """What was prepared and proved."""

    __slots__ = ()

    environment: str
    """The environment as it is recorded."""
    environment_digest: str
    """The digest that fixes its content."""
    status: str
    """Whether it is proved."""
    reused: bool
    """Whether an earlier proof still holds, so that no VM was started."""
    prepared_at: str | None
    """When it was proved, in RFC 3339; absent if it was not."""
    network_checked: bool
    """Whether a request from the guest was tried."""
    isolation: str
    """The tier that it was proved in."""
    steps: list[PrepareStep]
    """What was done, in its order; the last one may have failed."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""


class UsageItem(Result):
    """One thing that takes space."""

    __slots__ = ()

    name: str
    """What it is called, for people."""
    path: str
    """Where it is."""
    apparent_bytes: int
    """The length of its files, holes included, in bytes."""
    used_bytes: int
    """The blocks that it uses on disk, in bytes."""
    unshared_bytes: int
    """What its removal gives back at least, in bytes: the used blocks of the files that have no further name.
    Blocks that a file shares with a copy (``FICLONE``) count for both, as the file system does not tell them
    apart cheaply."""


class Space(Result):
    """How much space something takes."""

    __slots__ = ()

    apparent_bytes: int
    """The length of its files, holes included, in bytes."""
    used_bytes: int
    """The blocks that it uses on disk, in bytes."""
    unshared_bytes: int
    """What its removal gives back at least, in bytes: the used blocks of the files that have no further name.
    Blocks that a file shares with a copy (``FICLONE``) count for both, as the file system does not tell them
    apart cheaply."""


class DiskUsage(Result):
    """All that takes space."""

    __slots__ = ()

    environments: list[UsageItem]
    """The installed environments, each image once, however many names it has."""
    templates: list[UsageItem]
    """The saved VMs, from which others start."""
    disks: list[UsageItem]
    """The empty file systems, of which VMs get copies."""
    downloads: list[UsageItem]
    """What arrived of images and was kept for the next pull."""
    workspaces: list[UsageItem]
    """Workspaces; this version has none."""
    vms: list[UsageItem]
    """One-shot VMs that were created and are not gone."""
    snapshots: list[UsageItem]
    """Snapshots of workspaces; this version has none."""
    logs: list[UsageItem]
    """Logs of workspaces; this version has none."""
    totals: Space
    """The sum of all of them."""
    free_bytes: int
    """What the cache's file system has left for this user, in bytes."""


class PrunedItem(Result):
    """Something that is gone, or would be."""

    __slots__ = ()

    kind: str
    """What it is."""
    name: str
    """What it is called, for people."""
    path: str
    """Where it is."""
    bytes: int
    """The space that it uses on disk, in bytes."""
    reason: str
    """Why it goes."""


class KeptItem(Result):
    """Something that stays."""

    __slots__ = ()

    kind: str
    """What it is."""
    name: str
    """What it is called, for people."""
    path: str
    """Where it is."""
    bytes: int
    """The space that it uses on disk, in bytes."""
    reason: str
    """Why it stays."""


class Pruning(Result):
    """What was removed and what stays."""

    __slots__ = ()

    removed: list[PrunedItem]
    """What is gone, or would be."""
    kept: list[KeptItem]
    """What stays."""
    freed_bytes: int
    """The space that the removed things used on disk, in bytes."""
    dry_run: bool
    """Whether nothing was done."""
