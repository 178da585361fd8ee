"""What the checks with the official Python client share: sessions with either generation of the SDK, and their tally."""

import asyncio
import contextlib
import os
from importlib.metadata import version

from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

VERSION = version("mcp")
IS_V1 = VERSION.startswith("1.")
# Emulated VMs start slowly.
CALL_SECONDS = 180

failures = 0


def failed():
    """How many checks failed."""
    return failures


def check(holds, what, shown=None):
    global failures
    print(f"{'ok' if holds else 'FAILED'}: {what}" + ("" if holds else f": {shown!r}"), flush=True)
    failures += not holds


class Session:
    """What both generations of the SDK can do, under one set of names."""

    def __init__(self, client, instructions):
        self.client = client
        self.instructions = instructions

    async def tools(self):
        return (await self.client.list_tools()).tools

    async def call(self, name, arguments, progress=None):
        seconds = CALL_SECONDS
        if IS_V1:
            from datetime import timedelta

            seconds = timedelta(seconds=CALL_SECONDS)
        result = await self.client.call_tool(
            name, arguments, read_timeout_seconds=seconds, progress_callback=progress
        )
        is_error = result.isError if IS_V1 else result.is_error
        structured = result.structuredContent if IS_V1 else result.structured_content
        return is_error, [block.text for block in result.content], structured

    async def cancel(self, call):
        if IS_V1:
            # This generation abandons a call without a word; programs that use it tell the server themselves.
            from mcp import types

            params = types.CancelledNotificationParams(requestId=self.client._request_id - 1)
            await self.client.send_notification(
                types.ClientNotification(types.CancelledNotification(method="notifications/cancelled", params=params))
            )
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call


@contextlib.asynccontextmanager
async def connect(command, mode):
    # The SDK hands on only a few variables of its own choice unless told otherwise.
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    if IS_V1:
        from mcp import ClientSession

        async with stdio_client(parameters) as (reader, writer):
            async with ClientSession(reader, writer) as session:
                opened = await session.initialize()
                yield Session(session, opened.instructions)
    else:
        from mcp import Client

        async with Client(stdio_client(parameters), mode=mode) as client:
            yield Session(client, client.instructions)
