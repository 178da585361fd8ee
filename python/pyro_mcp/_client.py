"""The clients: the same methods, for callers that block and for those that do not.

``_client.pyi`` has the types.
"""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager, contextmanager

from . import results
from ._arguments import converted
from ._drive import Listeners, Operation
from ._errors import PyroError, error_of, refused
from ._native import Core, NativeError
from ._operations import Operations
from ._place import PROGRAM, RUNTIME
from ._server import Server
from ._tools import ToolBox


def _coroutine(function):
    """The same method as a coroutine."""

    @functools.wraps(function)
    async def method(self, *args, **kwargs):
        return await function(self, *args, **kwargs)

    return method


def _passed_on(on_progress):
    """Gives a caller progress as an object."""
    return None if on_progress is None else lambda content: on_progress(results.Progress(content))


def _offer(
    profile, tools, exclude_tools, read_only, allow_host_paths, allow_autorun_paths, project_path, environment
):
    """What a server or a tool box offers, as the native module takes it."""
    return {
        "profile": profile,
        "tools": tools,
        "exclude_tools": exclude_tools,
        "read_only": read_only,
        "allow_host_paths": allow_host_paths,
        "allow_autorun_paths": allow_autorun_paths,
        "project_path": project_path,
        "environment": environment,
        "structured": "auto",
    }


class _Client(Operations):
    """What both have."""

    def __init__(self, *, base_dir=None, cache_dir=None, isolation="auto", allow_host_compat=False):
        # Whatever is not empty would count as leave, "no" as well.
        if not isinstance(allow_host_compat, bool):
            raise refused("allow_host_compat", "it must be True or False")
        has_own = PROGRAM.exists()
        choice = {
            **converted({"base_dir": base_dir, "cache_dir": cache_dir}),
            "isolation": isolation,
            "allow_host_compat": allow_host_compat,
            "program": str(PROGRAM) if has_own else None,
            "runtime_dir": str(RUNTIME) if has_own else None,
        }
        try:
            self._core = Core(choice)
        except NativeError as error:
            raise error_of(error.args[0]) from None

    def _begin(self, name, arguments, stdin=None, on_output=None, on_progress=None):
        listeners = Listeners(on_output=on_output, on_progress=_passed_on(on_progress))
        given = converted(arguments)
        return Operation(lambda manner: self._core.begin(name, given, manner), stdin, listeners)

    def create_server(
        self,
        profile="workspace-full",
        *,
        tools=None,
        exclude_tools=None,
        read_only=False,
        allow_host_paths=(),
        allow_autorun_paths=False,
        project_path=None,
        environment=None,
        structured="auto",
    ):
        """Makes an MCP server. What its tools do happens with the settings of this object.

        ``tools`` and ``exclude_tools`` leave tools of the profile out, as ``read_only`` does with all that change
        something. Clients may bring in files from ``allow_host_paths``, and bring some out to there; of what host tools
        run by themselves, as ``.git``, only with ``allow_autorun_paths``. Workspaces start from the directory
        ``project_path`` where a client names no other.
        """
        choice = _offer(
            profile, tools, exclude_tools, read_only, allow_host_paths, allow_autorun_paths, project_path, environment
        )
        choice["structured"] = structured
        return Server(self._core, choice)

    def create_tool_box(
        self,
        profile="workspace-full",
        *,
        tools=None,
        exclude_tools=None,
        read_only=False,
        allow_host_paths=(),
        allow_autorun_paths=False,
        project_path=None,
        environment=None,
    ):
        """The tools of that server for a program's own loop of function calls, with the same parameters."""
        choice = _offer(
            profile, tools, exclude_tools, read_only, allow_host_paths, allow_autorun_paths, project_path, environment
        )
        return ToolBox(self._core, choice)


class Pyro(_Client):
    """The way in, for callers that block. Waiting lets other threads run; Ctrl-C cancels what is waited for.

    ``base_dir`` and ``cache_dir`` are the places for state and environments, as ``PYRO_HOME`` and ``PYRO_CACHE_DIR`` are.
    ``isolation`` is ``auto``, ``hardware`` or ``emulated``. With ``allow_host_compat`` commands run on this host itself where
    no VM can be had: nothing isolates them, and each result says ``isolation == "host"``. Opening it touches nothing, and
    leaving it closes nothing.
    """

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        return None

    def _do(self, name, shape, arguments, **manner):
        return shape(self._begin(name, arguments, **manner).wait())

    @contextmanager
    def workspace_session(self, environment=None, **create):
        """A workspace, as ``create_workspace`` makes it, that is deleted on leaving."""
        workspace = self.create_workspace(environment, **create)
        try:
            yield workspace
        finally:
            _unless_gone(lambda: self.delete_workspace(workspace.workspace_id))

    @contextmanager
    def vm_session(self, environment=None, **create):
        """A VM, as ``create_vm`` makes it, started, that is deleted on leaving."""
        vm = self.create_vm(environment, **create)
        try:
            yield self.start_vm(vm.vm_id)
        finally:
            _unless_gone(lambda: self.delete_vm(vm.vm_id))


class AsyncPyro(_Client):
    """The way in, for coroutines: the methods of ``Pyro``. Cancelling a task cancels what it waits for."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback):
        return None

    async def _do(self, name, shape, arguments, **manner):
        return shape(await self._begin(name, arguments, **manner).wait_async())

    @asynccontextmanager
    async def workspace_session(self, environment=None, **create):
        """A workspace, as ``create_workspace`` makes it, that is deleted on leaving."""
        workspace = await self.create_workspace(environment, **create)
        try:
            yield workspace
        finally:
            await _unless_gone_async(self.delete_workspace(workspace.workspace_id))

    @asynccontextmanager
    async def vm_session(self, environment=None, **create):
        """A VM, as ``create_vm`` makes it, started, that is deleted on leaving."""
        vm = await self.create_vm(environment, **create)
        try:
            yield await self.start_vm(vm.vm_id)
        finally:
            await _unless_gone_async(self.delete_vm(vm.vm_id))


for _name, _method in list(vars(Operations).items()):
    if getattr(_method, "_is_operation", False):
        setattr(AsyncPyro, _name, _coroutine(_method))


_GONE = ("workspace-not-found", "vm-not-found")


def _unless_gone(delete):
    try:
        delete()
    except PyroError as error:
        if error.code not in _GONE:
            raise


async def _unless_gone_async(deletion):
    try:
        await deletion
    except PyroError as error:
        if error.code not in _GONE:
            raise


def create_server(profile="workspace-full", **choice):
    """Makes an MCP server with the usual settings; see ``Pyro.create_server``."""
    return Pyro().create_server(profile, **choice)
