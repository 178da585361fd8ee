from contextlib import AbstractAsyncContextManager, AbstractContextManager
from os import PathLike
from types import TracebackType
from typing import Awaitable, BinaryIO, Callable, Literal, Mapping, Sequence

from typing_extensions import Self, TypeAlias

from ._server import Server
from ._tools import ToolBox
from .results import (
    DiskUsage,
    DoctorReport,
    EnvironmentInfo,
    FileList,
    FileRead,
    FileWrite,
    LogEntry,
    PatchResult,
    PrepareReport,
    Progress,
    PruneReport,
    Pruning,
    Reap,
    VmDeletion,
    VmExec,
    VmInfo,
    VmNetwork,
    WorkspaceDeletion,
    WorkspaceDiff,
    WorkspaceExec,
    WorkspaceExport,
    WorkspaceInfo,
    WorkspaceList,
    WorkspaceLogs,
    WorkspaceSync,
)

_Path: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_Word: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_Stdin: TypeAlias = bytes | bytearray | memoryview | BinaryIO
_OnOutput: TypeAlias = Callable[[Literal["stdout", "stderr"], bytes], object]
_OnProgress: TypeAlias = Callable[[Progress], object]
_OnOutputAsync: TypeAlias = Callable[[Literal["stdout", "stderr"], bytes], Awaitable[object] | object]
_OnProgressAsync: TypeAlias = Callable[[Progress], Awaitable[object] | object]
_Isolation: TypeAlias = Literal["auto", "hardware", "emulated"]
_Profile: TypeAlias = Literal["vm-run", "workspace-core", "workspace-full"]
_WorkspaceState: TypeAlias = Literal[
    "creating", "starting", "started", "stopping", "stopped", "resetting", "deleting", "damaged"
]

class Pyro:
    def __init__(
        self,
        *,
        base_dir: _Path | None = None,
        cache_dir: _Path | None = None,
        isolation: _Isolation = "auto",
        allow_host_compat: bool = False,
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def create_server(
        self,
        profile: _Profile = "workspace-full",
        *,
        tools: Sequence[str] | None = None,
        exclude_tools: Sequence[str] | None = None,
        read_only: bool = False,
        allow_host_paths: Sequence[_Path] = (),
        allow_autorun_paths: bool = False,
        project_path: _Path | None = None,
        environment: str | None = None,
        structured: Literal["auto", "all"] = "auto",
    ) -> Server: ...
    def create_tool_box(
        self,
        profile: _Profile = "workspace-full",
        *,
        tools: Sequence[str] | None = None,
        exclude_tools: Sequence[str] | None = None,
        read_only: bool = False,
        allow_host_paths: Sequence[_Path] = (),
        allow_autorun_paths: bool = False,
        project_path: _Path | None = None,
        environment: str | None = None,
    ) -> ToolBox: ...
    def list_environments(self) -> list[EnvironmentInfo]: ...
    def pull_environment(
        self,
        environment: str,
        *,
        force: bool = False,
        on_progress: _OnProgress | None = None,
    ) -> EnvironmentInfo: ...
    def inspect_environment(self, environment: str) -> EnvironmentInfo: ...
    def prune_environments(self, *, all: bool = False, dry_run: bool = False) -> PruneReport: ...
    def import_environment(
        self,
        path: str,
        *,
        name: str | None = None,
        on_progress: _OnProgress | None = None,
    ) -> EnvironmentInfo: ...
    def build_environment(
        self,
        environment: str,
        *,
        mirror: str | None = None,
        packages: Sequence[str] = (),
        name: str | None = None,
        on_progress: _OnProgress | None = None,
    ) -> EnvironmentInfo: ...
    def run_in_vm(
        self,
        environment: str | None,
        command: str | None = None,
        *,
        argv: Sequence[_Word] | None = None,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        timeout_seconds: int | None = 30,
        ttl_seconds: int = 600,
        max_output_chars: int | None = None,
        seed_path: _Path | None = None,
        return_diff: bool = False,
        stdin: _Stdin | None = None,
        env: Mapping[str, _Word] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        exports: Mapping[str, _Path] | None = None,
        on_output: _OnOutput | None = None,
        on_progress: _OnProgress | None = None,
    ) -> VmExec: ...
    def create_vm(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 600,
        on_progress: _OnProgress | None = None,
    ) -> VmInfo: ...
    def start_vm(self, vm_id: str) -> VmInfo: ...
    def stop_vm(self, vm_id: str) -> VmInfo: ...
    def delete_vm(self, vm_id: str) -> VmDeletion: ...
    def status_vm(self, vm_id: str) -> VmInfo: ...
    def network_info_vm(self, vm_id: str) -> VmNetwork: ...
    def exec_vm(
        self,
        vm_id: str,
        command: str | None = None,
        *,
        argv: Sequence[_Word] | None = None,
        timeout_seconds: int | None = 30,
        max_output_chars: int | None = None,
        stdin: _Stdin | None = None,
        env: Mapping[str, _Word] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        on_output: _OnOutput | None = None,
        on_progress: _OnProgress | None = None,
    ) -> VmExec: ...
    def reap_expired(self) -> Reap: ...
    def create_workspace(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 3600,
        seed_path: _Path | None = None,
        include_ignored: bool = False,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_progress: _OnProgress | None = None,
    ) -> WorkspaceInfo: ...
    def list_workspaces(
        self,
        *,
        labels: Mapping[str, str | None] | None = None,
        state: _WorkspaceState | None = None,
        limit: int | None = None,
        page: str | None = None,
    ) -> WorkspaceList: ...
    def status_workspace(self, workspace_id: str) -> WorkspaceInfo: ...
    def update_workspace(
        self,
        workspace_id: str,
        *,
        name: str | None = None,
        clear_name: bool = False,
        labels: Mapping[str, str] | None = None,
        clear_labels: Sequence[str] | None = None,
        ttl_seconds: int | None = None,
    ) -> WorkspaceInfo: ...
    def delete_workspace(self, workspace_id: str) -> WorkspaceDeletion: ...
    def stop_workspace(self, workspace_id: str) -> WorkspaceInfo: ...
    def start_workspace(self, workspace_id: str) -> WorkspaceInfo: ...
    def exec_workspace(
        self,
        workspace_id: str,
        command: str | None = None,
        *,
        argv: Sequence[_Word] | None = None,
        timeout_seconds: int | None = 30,
        cwd: str | None = "/workspace",
        env: Mapping[str, _Word] | None = None,
        user: str | None = None,
        return_diff: bool = False,
        max_output_chars: int | None = None,
        stdin: _Stdin | None = None,
        on_output: _OnOutput | None = None,
        on_progress: _OnProgress | None = None,
    ) -> WorkspaceExec: ...
    def logs_workspace(
        self,
        workspace_id: str,
        *,
        sequence: int | None = None,
        stream: Literal["both", "stdout", "stderr"] = "both",
        offset: int = 0,
        limit: int = 20,
        max_output_chars: int | None = None,
        wait_seconds: int = 0,
    ) -> WorkspaceLogs: ...
    def kill_command(self, workspace_id: str, sequence: int, signal_name: str = "TERM") -> LogEntry: ...
    def push_workspace_sync(
        self,
        workspace_id: str,
        source_path: _Path,
        *,
        dest: str = "/workspace",
        delete: bool = False,
        dry_run: bool = False,
        include_ignored: bool = False,
        on_progress: _OnProgress | None = None,
    ) -> WorkspaceSync: ...
    def export_workspace(
        self,
        workspace_id: str,
        path: str,
        output_path: _Path,
        *,
        changes: bool = False,
        as_patch: bool = False,
        force: bool = False,
        from_snapshot: str = "baseline",
    ) -> WorkspaceExport: ...
    def diff_workspace(
        self,
        workspace_id: str,
        *,
        from_snapshot: str = "baseline",
        path: str | None = None,
        stat: bool = False,
        binary: bool = False,
        include_ignored: bool = False,
        max_output_chars: int | None = None,
    ) -> WorkspaceDiff: ...
    def apply_workspace_patch(
        self,
        workspace_id: str,
        patch: str | bytes,
        *,
        dry_run: bool = False,
    ) -> PatchResult: ...
    def list_workspace_files(
        self,
        workspace_id: str,
        path: str = "/workspace",
        *,
        recursive: bool = False,
        limit: int | None = None,
        page: str | None = None,
    ) -> FileList: ...
    def read_workspace_file(
        self,
        workspace_id: str,
        path: str,
        *,
        max_bytes: int = 65536,
        offset: int = 0,
        start_line: int | None = None,
        line_count: int | None = None,
        encoding: Literal["auto", "utf-8", "base64"] = "auto",
    ) -> FileRead: ...
    def write_workspace_file(
        self,
        workspace_id: str,
        path: str,
        text: str | bytes,
        *,
        encoding: Literal["utf-8", "base64"] = "utf-8",
        append: bool = False,
        create_parents: bool = True,
        executable: bool | None = None,
    ) -> FileWrite: ...
    def reset_workspace(self, workspace_id: str, *, snapshot: str = "baseline") -> WorkspaceInfo: ...
    def doctor(self, *, platform: str | None = None, environment: str | None = None) -> DoctorReport: ...
    def prepare(
        self,
        environment: str | None = None,
        *,
        network: bool = False,
        force: bool = False,
        on_progress: _OnProgress | None = None,
    ) -> PrepareReport: ...
    def disk_usage(self) -> DiskUsage: ...
    def prune(self, older_than: str = "7d", *, stopped: bool = False, dry_run: bool = False) -> Pruning: ...
    def workspace_session(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 3600,
        seed_path: _Path | None = None,
        include_ignored: bool = False,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_progress: _OnProgress | None = None,
    ) -> AbstractContextManager[WorkspaceInfo]: ...
    def vm_session(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 600,
        on_progress: _OnProgress | None = None,
    ) -> AbstractContextManager[VmInfo]: ...

class AsyncPyro:
    def __init__(
        self,
        *,
        base_dir: _Path | None = None,
        cache_dir: _Path | None = None,
        isolation: _Isolation = "auto",
        allow_host_compat: bool = False,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def create_server(
        self,
        profile: _Profile = "workspace-full",
        *,
        tools: Sequence[str] | None = None,
        exclude_tools: Sequence[str] | None = None,
        read_only: bool = False,
        allow_host_paths: Sequence[_Path] = (),
        allow_autorun_paths: bool = False,
        project_path: _Path | None = None,
        environment: str | None = None,
        structured: Literal["auto", "all"] = "auto",
    ) -> Server: ...
    def create_tool_box(
        self,
        profile: _Profile = "workspace-full",
        *,
        tools: Sequence[str] | None = None,
        exclude_tools: Sequence[str] | None = None,
        read_only: bool = False,
        allow_host_paths: Sequence[_Path] = (),
        allow_autorun_paths: bool = False,
        project_path: _Path | None = None,
        environment: str | None = None,
    ) -> ToolBox: ...
    async def list_environments(self) -> list[EnvironmentInfo]: ...
    async def pull_environment(
        self,
        environment: str,
        *,
        force: bool = False,
        on_progress: _OnProgressAsync | None = None,
    ) -> EnvironmentInfo: ...
    async def inspect_environment(self, environment: str) -> EnvironmentInfo: ...
    async def prune_environments(self, *, all: bool = False, dry_run: bool = False) -> PruneReport: ...
    async def import_environment(
        self,
        path: str,
        *,
        name: str | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> EnvironmentInfo: ...
    async def build_environment(
        self,
        environment: str,
        *,
        mirror: str | None = None,
        packages: Sequence[str] = (),
        name: str | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> EnvironmentInfo: ...
    async def run_in_vm(
        self,
        environment: str | None,
        command: str | None = None,
        *,
        argv: Sequence[_Word] | None = None,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        timeout_seconds: int | None = 30,
        ttl_seconds: int = 600,
        max_output_chars: int | None = None,
        seed_path: _Path | None = None,
        return_diff: bool = False,
        stdin: _Stdin | None = None,
        env: Mapping[str, _Word] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        exports: Mapping[str, _Path] | None = None,
        on_output: _OnOutputAsync | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> VmExec: ...
    async def create_vm(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 600,
        on_progress: _OnProgressAsync | None = None,
    ) -> VmInfo: ...
    async def start_vm(self, vm_id: str) -> VmInfo: ...
    async def stop_vm(self, vm_id: str) -> VmInfo: ...
    async def delete_vm(self, vm_id: str) -> VmDeletion: ...
    async def status_vm(self, vm_id: str) -> VmInfo: ...
    async def network_info_vm(self, vm_id: str) -> VmNetwork: ...
    async def exec_vm(
        self,
        vm_id: str,
        command: str | None = None,
        *,
        argv: Sequence[_Word] | None = None,
        timeout_seconds: int | None = 30,
        max_output_chars: int | None = None,
        stdin: _Stdin | None = None,
        env: Mapping[str, _Word] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        on_output: _OnOutputAsync | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> VmExec: ...
    async def reap_expired(self) -> Reap: ...
    async def create_workspace(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 3600,
        seed_path: _Path | None = None,
        include_ignored: bool = False,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> WorkspaceInfo: ...
    async def list_workspaces(
        self,
        *,
        labels: Mapping[str, str | None] | None = None,
        state: _WorkspaceState | None = None,
        limit: int | None = None,
        page: str | None = None,
    ) -> WorkspaceList: ...
    async def status_workspace(self, workspace_id: str) -> WorkspaceInfo: ...
    async def update_workspace(
        self,
        workspace_id: str,
        *,
        name: str | None = None,
        clear_name: bool = False,
        labels: Mapping[str, str] | None = None,
        clear_labels: Sequence[str] | None = None,
        ttl_seconds: int | None = None,
    ) -> WorkspaceInfo: ...
    async def delete_workspace(self, workspace_id: str) -> WorkspaceDeletion: ...
    async def stop_workspace(self, workspace_id: str) -> WorkspaceInfo: ...
    async def start_workspace(self, workspace_id: str) -> WorkspaceInfo: ...
    async def exec_workspace(
        self,
        workspace_id: str,
        command: str | None = None,
        *,
        argv: Sequence[_Word] | None = None,
        timeout_seconds: int | None = 30,
        cwd: str | None = "/workspace",
        env: Mapping[str, _Word] | None = None,
        user: str | None = None,
        return_diff: bool = False,
        max_output_chars: int | None = None,
        stdin: _Stdin | None = None,
        on_output: _OnOutputAsync | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> WorkspaceExec: ...
    async def logs_workspace(
        self,
        workspace_id: str,
        *,
        sequence: int | None = None,
        stream: Literal["both", "stdout", "stderr"] = "both",
        offset: int = 0,
        limit: int = 20,
        max_output_chars: int | None = None,
        wait_seconds: int = 0,
    ) -> WorkspaceLogs: ...
    async def kill_command(self, workspace_id: str, sequence: int, signal_name: str = "TERM") -> LogEntry: ...
    async def push_workspace_sync(
        self,
        workspace_id: str,
        source_path: _Path,
        *,
        dest: str = "/workspace",
        delete: bool = False,
        dry_run: bool = False,
        include_ignored: bool = False,
        on_progress: _OnProgressAsync | None = None,
    ) -> WorkspaceSync: ...
    async def export_workspace(
        self,
        workspace_id: str,
        path: str,
        output_path: _Path,
        *,
        changes: bool = False,
        as_patch: bool = False,
        force: bool = False,
        from_snapshot: str = "baseline",
    ) -> WorkspaceExport: ...
    async def diff_workspace(
        self,
        workspace_id: str,
        *,
        from_snapshot: str = "baseline",
        path: str | None = None,
        stat: bool = False,
        binary: bool = False,
        include_ignored: bool = False,
        max_output_chars: int | None = None,
    ) -> WorkspaceDiff: ...
    async def apply_workspace_patch(
        self,
        workspace_id: str,
        patch: str | bytes,
        *,
        dry_run: bool = False,
    ) -> PatchResult: ...
    async def list_workspace_files(
        self,
        workspace_id: str,
        path: str = "/workspace",
        *,
        recursive: bool = False,
        limit: int | None = None,
        page: str | None = None,
    ) -> FileList: ...
    async def read_workspace_file(
        self,
        workspace_id: str,
        path: str,
        *,
        max_bytes: int = 65536,
        offset: int = 0,
        start_line: int | None = None,
        line_count: int | None = None,
        encoding: Literal["auto", "utf-8", "base64"] = "auto",
    ) -> FileRead: ...
    async def write_workspace_file(
        self,
        workspace_id: str,
        path: str,
        text: str | bytes,
        *,
        encoding: Literal["utf-8", "base64"] = "utf-8",
        append: bool = False,
        create_parents: bool = True,
        executable: bool | None = None,
    ) -> FileWrite: ...
    async def reset_workspace(self, workspace_id: str, *, snapshot: str = "baseline") -> WorkspaceInfo: ...
    async def doctor(
        self,
        *,
        platform: str | None = None,
        environment: str | None = None,
    ) -> DoctorReport: ...
    async def prepare(
        self,
        environment: str | None = None,
        *,
        network: bool = False,
        force: bool = False,
        on_progress: _OnProgressAsync | None = None,
    ) -> PrepareReport: ...
    async def disk_usage(self) -> DiskUsage: ...
    async def prune(
        self,
        older_than: str = "7d",
        *,
        stopped: bool = False,
        dry_run: bool = False,
    ) -> Pruning: ...
    def workspace_session(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 3600,
        seed_path: _Path | None = None,
        include_ignored: bool = False,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_progress: _OnProgressAsync | None = None,
    ) -> AbstractAsyncContextManager[WorkspaceInfo]: ...
    def vm_session(
        self,
        environment: str | None = None,
        *,
        vcpu_count: int = 1,
        mem_mib: int = 1024,
        disk_gib: int = 10,
        ttl_seconds: int = 600,
        on_progress: _OnProgressAsync | None = None,
    ) -> AbstractAsyncContextManager[VmInfo]: ...

def create_server(
    profile: _Profile = "workspace-full",
    *,
    tools: Sequence[str] | None = None,
    exclude_tools: Sequence[str] | None = None,
    read_only: bool = False,
    allow_host_paths: Sequence[_Path] = (),
    allow_autorun_paths: bool = False,
    project_path: _Path | None = None,
    environment: str | None = None,
    structured: Literal["auto", "all"] = "auto",
) -> Server: ...
