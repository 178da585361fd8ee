"""The MCP server."""

from __future__ import annotations

from typing import Any, Callable

from ._arguments import converted
from ._drive import Listeners, Operation
from ._native import Core


class Server:
    """An MCP server that is yet to run. Its tools are fixed when it is made."""

    profile: str
    """The tools on offer: ``vm-run``, ``workspace-core`` or ``workspace-full``."""

    def __init__(self, core: Core, choice: dict[str, Any]) -> None:
        self._core = core
        self._choice = converted(choice)
        self.profile = choice["profile"]
        self._begin("check_server", {}).wait()

    def run(
        self,
        transport: str = "stdio",
        *,
        listen: str | None = None,
        auth_token: str | None = None,
        on_listen: Callable[[str], object] | None = None,
    ) -> None:
        """Serves until the client leaves, or this process is told to end by Ctrl-C or SIGTERM, and returns then.

        ``transport`` is ``stdio``, which takes over standard input and output, or ``http``: Streamable HTTP at ``/mcp``
        of the address ``listen`` (``127.0.0.1:8787``), for clients that send ``auth_token`` as a bearer token. Without one
        the token is that of ``pyro mcp serve``, in the file ``mcp-token`` of the state directory. ``on_listen`` is called
        with the URL once clients can connect.
        """
        arguments = {"transport": transport, "listen": listen, "auth_token": auth_token}
        try:
            self._begin("serve", arguments, Listeners(on_listen=on_listen)).wait()
        except KeyboardInterrupt:
            pass  # The server has left by then, or had not yet begun.

    async def run_async(
        self,
        transport: str = "stdio",
        *,
        listen: str | None = None,
        auth_token: str | None = None,
        on_listen: Callable[[str], object] | None = None,
    ) -> None:
        """The same without blocking. Cancelling the task ends the server."""
        arguments = {"transport": transport, "listen": listen, "auth_token": auth_token}
        await self._begin("serve", arguments, Listeners(on_listen=on_listen)).wait_async()

    def _begin(
        self, name: str, arguments: dict[str, Any], listeners: Listeners | None = None
    ) -> Operation:
        given = {**converted(arguments), "server": self._choice}
        return Operation(lambda manner: self._core.begin(name, given, manner), None, listeners)
