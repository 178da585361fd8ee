"""Environments."""

from __future__ import annotations

from ._base import Result


class EnvironmentInfo(Result):
    """One environment."""

    __slots__ = ()

    name: str
    """Its name: of the catalog, of an import, or an OCI reference."""
    version: str
    """Its version, such as a tag or a distribution's version."""
    description: str
    """One line for people."""
    default_packages: list[str]
    """The packages that the catalog promises."""
    distribution: str | None
    """The distribution, such as ``debian``."""
    distribution_version: str | None
    """The distribution's version, such as ``12``."""
    platform: str
    """The platform, such as `linux-x86_64`."""
    oci_registry: str | None
    """The registry it comes from."""
    oci_repository: str | None
    """The repository there."""
    oci_reference: str | None
    """The whole reference there."""
    source_digest: str | None
    """The digest of its manifest, or of what it was built or imported from."""
    compatibility: str
    """The versions of pyro that can use it."""
    catalog_version: str
    """The version of the catalog that knows it."""
    installed: bool
    """Whether it is in the cache."""
    state: str
    """Its state in the cache."""
    origin: str | None
    """Where its content came from."""
    size_bytes: int | None
    """The size of its root file system image, in bytes."""
    used_by: list[str]
    """What uses it now."""
    warnings: list[str]
    """What was skipped, degraded or guessed."""
    cache_dir: str | None
    """The cache."""
    install_dir: str | None
    """Its directory in the cache."""
    install_manifest: str | None
    """The record of its installation."""
    kernel_image: str | None
    """The kernel that boots it."""
    rootfs_image: str | None
    """Its read-only root file system image."""
    source: str | None
    """What it was built from."""


class PruneReport(Result):
    """What a prune removed."""

    __slots__ = ()

    deleted_environment_dirs: list[str]
    """The directories that are gone, or would be."""
    count: int
    """How many."""
    freed_bytes: int
    """The space they used, in bytes."""
    kept: list[str]
    """What stays because something uses it."""
