# mypy: ignore-errors
"""Everything that pyro does: a method for each operation of the native module, which has its name and takes its arguments.

``_client.pyi`` has the types.
"""

from __future__ import annotations

from . import results
from ._operation import operation


class Operations:
    """Everything that pyro does."""

    @operation(results.EnvironmentInfo)
    def list_environments(self):
        """Lists the catalog, and what else is installed."""

    @operation(results.EnvironmentInfo)
    def pull_environment(self, environment, *, force=False, on_progress=None):
        """Fetches an environment. With ``force``, resolves its tag again and verifies everything."""

    @operation(results.EnvironmentInfo)
    def inspect_environment(self, environment):
        """Describes an environment, whether it is installed or not."""

    @operation(results.PruneReport)
    def prune_environments(self, *, all=False, dry_run=False):
        """Removes partial downloads and installs that newer ones supersede; with ``all``, every unused install."""

    @operation(results.EnvironmentInfo)
    def import_environment(self, path, *, name=None, on_progress=None):
        """Takes an image from ``oci-layout:DIR``, ``docker-archive:FILE`` or a tar of a root file system."""

    @operation(results.EnvironmentInfo)
    def build_environment(self, environment, *, mirror=None, packages=(), name=None, on_progress=None):
        """Builds an entry of the catalog from the distribution's packages, with further ``packages``."""

    @operation(results.VmExec)
    def run_in_vm(
        self,
        environment,
        command=None,
        *,
        argv=None,
        vcpu_count=1,
        mem_mib=1024,
        timeout_seconds=30,
        ttl_seconds=600,
        max_output_chars=None,
        seed_path=None,
        return_diff=False,
        stdin=None,
        env=None,
        cwd=None,
        user=None,
        exports=None,
        on_output=None,
        on_progress=None,
    ):
        """Runs a command in a VM of its own, which is gone afterwards. A command that fails is a result.

        ``command`` is a string for the shell of the guest; ``argv`` is a program and its arguments, untouched.
        ``environment`` may be None for the default. ``seed_path`` is a directory or tar with which ``/workspace`` begins;
        ``exports`` brings files out of it, by their paths in the guest.
        """

    @operation(results.VmInfo)
    def create_vm(
        self,
        environment=None,
        *,
        vcpu_count=1,
        mem_mib=1024,
        disk_gib=10,
        ttl_seconds=600,
        on_progress=None,
    ):
        """Makes a VM for one command, which is to be started before it."""

    @operation(results.VmInfo)
    def start_vm(self, vm_id):
        """Starts a VM that was created or stopped."""

    @operation(results.VmInfo)
    def stop_vm(self, vm_id):
        """Powers a VM off."""

    @operation(results.VmDeletion)
    def delete_vm(self, vm_id):
        """Removes a VM."""

    @operation(results.VmInfo)
    def status_vm(self, vm_id):
        """Describes a VM."""

    @operation(results.VmNetwork)
    def network_info_vm(self, vm_id):
        """Says what network a VM has."""

    @operation(results.VmExec)
    def exec_vm(
        self,
        vm_id,
        command=None,
        *,
        argv=None,
        timeout_seconds=30,
        max_output_chars=None,
        stdin=None,
        env=None,
        cwd=None,
        user=None,
        on_output=None,
        on_progress=None,
    ):
        """Runs the one command of a VM that is started, and deletes the VM."""

    @operation(results.Reap)
    def reap_expired(self):
        """Deletes VMs that nobody used for their time to live."""

    @operation(results.WorkspaceInfo)
    def create_workspace(
        self,
        environment=None,
        *,
        vcpu_count=1,
        mem_mib=1024,
        disk_gib=10,
        ttl_seconds=3600,
        seed_path=None,
        include_ignored=False,
        name=None,
        labels=None,
        on_progress=None,
    ):
        """Makes a workspace and starts it. ``seed_path`` is a directory or tar with which ``/workspace`` begins."""

    @operation(results.WorkspaceList)
    def list_workspaces(self, *, labels=None, state=None, limit=None, page=None):
        """Lists workspaces, the last used first; those with all ``labels``, where a value of None stands for any.

        All of them unless there is a ``limit``, after which ``next_page`` goes on.
        """

    @operation(results.WorkspaceInfo)
    def status_workspace(self, workspace_id):
        """Describes a workspace."""

    @operation(results.WorkspaceInfo)
    def update_workspace(
        self, workspace_id, *, name=None, clear_name=False, labels=None, clear_labels=None, ttl_seconds=None
    ):
        """Changes name, labels or time to live of a workspace; what is not given stays."""

    @operation(results.WorkspaceDeletion)
    def delete_workspace(self, workspace_id):
        """Ends whatever runs in a workspace, and removes it."""

    @operation(results.WorkspaceInfo)
    def stop_workspace(self, workspace_id):
        """Powers a workspace's VM off. It stays so until ``start_workspace``."""

    @operation(results.WorkspaceInfo)
    def start_workspace(self, workspace_id):
        """Starts a workspace's VM on the disk that it has."""

    @operation(results.WorkspaceExec)
    def exec_workspace(
        self,
        workspace_id,
        command=None,
        *,
        argv=None,
        timeout_seconds=30,
        cwd="/workspace",
        env=None,
        user=None,
        return_diff=False,
        max_output_chars=None,
        stdin=None,
        on_output=None,
        on_progress=None,
    ):
        """Runs a command in a workspace to its end. A command that fails is a result."""

    @operation(results.WorkspaceLogs)
    def logs_workspace(
        self,
        workspace_id,
        *,
        sequence=None,
        stream="both",
        offset=0,
        limit=20,
        max_output_chars=None,
        wait_seconds=0,
    ):
        """Shows the last ``limit`` commands, or one, with what is kept of their output from byte ``offset`` on.

        With ``wait_seconds``, waits for the end of the command ``sequence`` first, at most so long.
        """

    @operation(results.LogEntry)
    def kill_command(self, workspace_id, sequence, signal_name="TERM"):
        """Sends a signal to all processes of a command that runs."""

    @operation(results.WorkspaceSync)
    def push_workspace_sync(
        self,
        workspace_id,
        source_path,
        *,
        dest="/workspace",
        delete=False,
        dry_run=False,
        include_ignored=False,
        on_progress=None,
    ):
        """Brings a directory or tar into a workspace; with ``delete``, removes what the source lacks."""

    @operation(results.WorkspaceExport)
    def export_workspace(
        self,
        workspace_id,
        path,
        output_path,
        *,
        changes=False,
        as_patch=False,
        force=False,
        from_snapshot="baseline",
    ):
        """Brings a file or directory out of a workspace; only what changed, or that as a patch, if so asked."""

    @operation(results.WorkspaceDiff)
    def diff_workspace(
        self,
        workspace_id,
        *,
        from_snapshot="baseline",
        path=None,
        stat=False,
        binary=False,
        include_ignored=False,
        max_output_chars=None,
    ):
        """Shows what differs from the baseline, as a patch in Git's format; with ``stat``, without the patch."""

    @operation(results.PatchResult)
    def apply_workspace_patch(self, workspace_id, patch, *, dry_run=False):
        """Applies a patch, all of it or nothing."""

    @operation(results.FileList)
    def list_workspace_files(
        self, workspace_id, path="/workspace", *, recursive=False, limit=None, page=None
    ):
        """Lists a directory; all of it unless there is a ``limit``, after which ``next_page`` goes on."""

    @operation(results.FileRead)
    def read_workspace_file(
        self,
        workspace_id,
        path,
        *,
        max_bytes=65536,
        offset=0,
        start_line=None,
        line_count=None,
        encoding="auto",
    ):
        """Reads a part of a file, by bytes or by lines. ``encoding`` is ``auto``, ``utf-8`` or ``base64``."""

    @operation(results.FileWrite)
    def write_workspace_file(
        self,
        workspace_id,
        path,
        text,
        *,
        encoding="utf-8",
        append=False,
        create_parents=True,
        executable=None,
    ):
        """Writes a file, whole and at once. ``text`` is str or bytes; with ``encoding="base64"`` it is decoded first."""

    @operation(results.WorkspaceInfo)
    def reset_workspace(self, workspace_id, *, snapshot="baseline"):
        """Returns the whole disk of a workspace to the baseline, and ends what runs there."""

    @operation(results.DoctorReport)
    def doctor(self, *, platform=None, environment=None):
        """Checks everything that pyro needs on this host; an environment is verified in full."""

    @operation(results.PrepareReport)
    def prepare(self, environment=None, *, network=False, force=False, on_progress=None):
        """Makes the template from which VMs of an environment start, and proves that they do."""

    @operation(results.DiskUsage)
    def disk_usage(self):
        """Measures what everything that pyro keeps takes on disk."""

    @operation(results.Pruning)
    def prune(self, older_than="7d", *, stopped=False, dry_run=False):
        """Removes leftovers, and what was not used for so long; with ``stopped``, workspaces stopped on request too."""
