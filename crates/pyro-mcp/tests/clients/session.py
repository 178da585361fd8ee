"""What the checks with the official Python client share: sessions with either generation of the SDK, on standard input and
output or over HTTP, and their tally."""

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

    def __init__(self, client, instructions, revision):
        self.client = client
        self.instructions = instructions
        self.revision = revision

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
async def serve_http(command):
    """Starts a server that takes a free port, and says where it is and what it wants to be shown."""
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*command, "--listen", "127.0.0.1:0", stderr=pipe)
    try:
        said = (await asyncio.wait_for(server.stderr.readline(), CALL_SECONDS)).decode()
        # Listening on URL, for clients with the token in FILE.
        url = said.split("listening on ")[1].split(",")[0]
        with open(said.split("the token in ")[1].strip(), encoding="ascii") as token:
            yield url, {"Authorization": f"Bearer {token.read().strip()}"}
    finally:
        server.terminate()
        check(await asyncio.wait_for(server.wait(), 3) == 0, "the server leaves when it is told to")


@contextlib.asynccontextmanager
async def transport(command):
    """The streams of a new server, as the client of this generation wants them."""
    if "http" in command:
        async with serve_http(command) as (url, headers):
            if IS_V1:
                from mcp.client.streamable_http import streamablehttp_client

                async with streamablehttp_client(url, headers=headers) as (reader, writer, _):
                    yield reader, writer
            else:
                from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

                async with create_mcp_http_client(headers=headers) as client:
                    yield streamable_http_client(url, http_client=client)
    else:
        # The SDK hands on only a few variables of its own choice unless told otherwise.
        parameters = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
        if IS_V1:
            async with stdio_client(parameters) as streams:
                yield streams
        else:
            yield stdio_client(parameters)


@contextlib.asynccontextmanager
async def connect(command, mode):
    async with transport(command) as streams:
        if IS_V1:
            from mcp import ClientSession

            async with ClientSession(*streams) as session:
                opened = await session.initialize()
                yield Session(session, opened.instructions, opened.protocolVersion)
        else:
            from mcp import Client

            async with Client(streams, mode=mode) as client:
                yield Session(client, client.instructions, client.protocol_version)
