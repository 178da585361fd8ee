"""What the official Python client of this interpreter does with pyro's MCP server: a line of JSON for each transport and era.

Usage: matrix.py BINARY [ARGUMENT...]

The programs in both languages print the same fields; a test makes one table of them.
"""

import asyncio
import json
import sys
import time

from session import CALL_SECONDS, IS_V1, VERSION, connect, failed

# What the 2.x client is told to speak.
MODES = ["legacy"] if IS_V1 else ["legacy", "2026-07-28"]
# This generation abandons a call without a word; a program that uses it has to tell the server itself.
CANCELLED = "by the program" if IS_V1 else "yes"


async def outcome(session):
    """How the last command of the workspace ended, if it has."""
    _, _, status = await session.call("workspace_status", {"workspace_id": "a"})
    return status["last_command"]["outcome"]


async def lists(session):
    tools = [tool.name for tool in await session.tools()]
    return len(tools) == 16 and "workspace_exec" in tools


async def calls(session):
    is_error, texts, _ = await session.call("workspace_exec", {"workspace_id": "a", "command": "echo one; exit 3"})
    return not is_error and texts[0].startswith("exit 3 in ") and "\nstdout:\none\n" in texts[0]


async def hears_progress(session):
    messages = []

    async def heard(_value, _total, message):
        messages.append(message)

    command = "echo two; sleep 6"
    await session.call("workspace_exec", {"workspace_id": "a", "command": command}, heard)
    return "running the command" in messages and "two" in messages


async def cancels(session):
    started = asyncio.Event()

    async def heard(_value, _total, message):
        if message == "running the command":
            started.set()

    arguments = {"workspace_id": "a", "command": "sleep 600", "timeout_seconds": 600, "wait_seconds": 600}
    call = asyncio.create_task(session.call("workspace_exec", arguments, heard))
    await asyncio.wait_for(started.wait(), CALL_SECONDS)
    await session.cancel(call)
    deadline = time.monotonic() + CALL_SECONDS
    while await outcome(session) != "cancelled":
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return CANCELLED


async def takes_up_long_commands(session):
    arguments = {"workspace_id": "a", "command": "sleep 3; echo end", "wait_seconds": 1}
    _, texts, _ = await session.call("workspace_exec", arguments)
    sequence = int(texts[0].split(" #")[1].split(" ")[0])
    left = texts[0].startswith("still running after ")
    arguments = {"workspace_id": "a", "sequence": sequence, "wait_seconds": CALL_SECONDS}
    _, texts, _ = await session.call("workspace_logs", arguments)
    left = left and "\nend\n" in texts[0]
    _, texts, _ = await session.call("vm_run", {"command": "sleep 9; echo end", "wait_seconds": 1})
    vm_id = texts[0].split("vm_run vm_id=")[1].split(" ")[0]
    _, texts, _ = await session.call("vm_run", {"vm_id": vm_id, "wait_seconds": CALL_SECONDS})
    return left and "\nend\n" in texts[0]


CHECKS = {
    "list": lists,
    "call": calls,
    "progress": hears_progress,
    "cancel": cancels,
    "long": takes_up_long_commands,
}


async def main(command):
    for transport in ("stdio", "http"):
        for mode in MODES:
            row = {"client": f"Python `mcp` {VERSION}", "transport": transport}
            async with connect([*command, "--transport", transport], mode) as session:
                row["revision"] = session.revision
                await session.call("workspace_create", {"name": "a"})
                for name, holds in CHECKS.items():
                    found = await holds(session)
                    row[name] = found if isinstance(found, str) else "yes" if found else "no"
                await session.call("workspace_delete", {"workspace_id": "a"})
            print(json.dumps(row), flush=True)
    return 1 if failed() else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
