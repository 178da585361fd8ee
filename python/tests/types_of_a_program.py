"""A program of a user, for type checkers: it is never run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

from typing_extensions import assert_type

from pyro_mcp import (
    AsyncPyro,
    DiffEntry,
    EnvironmentInfo,
    Progress,
    Pyro,
    PyroError,
    Server,
    VmExec,
    WorkspaceExec,
    WorkspaceInfo,
    create_server,
)


def blocking(stdin: BinaryIO) -> None:
    with Pyro(base_dir=Path("state"), isolation="emulated") as pyro:
        assert_type(pyro.list_environments(), list[EnvironmentInfo])
        done = pyro.run_in_vm(
            "debian:12",
            argv=["ls", b"-l", Path("/")],
            env={"A": "b"},
            stdin=stdin,
            exports={"a": Path("a")},
            on_output=lambda stream, chunk: print(stream, len(chunk)),
            on_progress=told,
        )
        assert_type(done, VmExec)
        assert_type(done.exit_code, int | None)
        assert_type(done.stdout_info.bytes, int)
        with pyro.workspace_session("debian:12", labels={"a": "b"}) as workspace:
            assert_type(workspace, WorkspaceInfo)
            executed = pyro.exec_workspace(workspace.workspace_id, "make", stdin=b"in", timeout_seconds=None)
            assert_type(executed, WorkspaceExec)
            diff = pyro.diff_workspace(workspace.workspace_id)
            assert_type(diff.entries, list[DiffEntry])
            assert_type(diff.entries[0].text_patch, str)
            pyro.run_in_vm(None, "true", memory=5)  # type: ignore[call-arg]
            pyro.list_workspaces(state="asleep")  # type: ignore[arg-type]
            print(done.exit_status)  # type: ignore[attr-defined]


def told(progress: Progress) -> None:
    assert_type(progress.bytes_done, int | None)


async def waiting() -> None:
    async def on_output(stream: str, chunk: bytes) -> None:
        await asyncio.sleep(0)

    async with AsyncPyro() as pyro:
        assert_type(await pyro.run_in_vm("debian:12", "true", on_output=on_output), VmExec)
        async with pyro.workspace_session() as workspace:
            assert_type(workspace, WorkspaceInfo)
        pyro.create_server("vm-run")


def serving() -> None:
    server = create_server("workspace-core", allow_host_paths=["."])
    assert_type(server, Server)
    try:
        server.run("http", listen="127.0.0.1:0", on_listen=print)
    except PyroError as error:
        assert_type(error.hint, str | None)
