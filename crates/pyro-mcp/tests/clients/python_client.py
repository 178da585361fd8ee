"""The official Python client against pyro's MCP server: SDK 2.x in both eras, SDK 1.x in its own.

Usage: python_client.py [--protocol-only] BINARY [ARGUMENT...]

Prints one line per check; the exit code is 1 if any failed. `--protocol-only` leaves out what needs a VM.
"""

import asyncio
import contextlib
import os
import sys
import time

from session import CALL_SECONDS, IS_V1, VERSION, check, connect, failed

# Values of `mode` of the 2.x client: its own choice, the newest revision alone, the handshake alone.
MODES = ["handshake"] if IS_V1 else ["auto", "2026-07-28", "legacy"]

def vms():
    """The VMMs among the descendants of this process."""
    parents, found = {}, []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                head, _, rest = stat.read().rpartition(")")
            state, parent = rest.split()[:2]
            parents[int(entry)] = int(parent)
            if state != "Z" and head.partition("(")[2].startswith(("qemu", "firecracker")):
                found.append(int(entry))

    def is_ours(process):
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [process for process in found if is_ours(process)]


async def check_protocol(session, with_structure):
    tools = await session.tools()
    check([tool.name for tool in tools] == ["vm_run"], "the list is vm_run alone", tools)
    schema = tools[0].outputSchema if IS_V1 else tools[0].output_schema
    check((schema is not None) == with_structure, "an output schema is declared where asked for", schema)
    if session.instructions is not None:
        check("vm_run" in session.instructions, "the instructions name vm_run", session.instructions)

    is_error, texts, structured = await session.call("vm_run", {"command": "true", "foo": 1})
    check(is_error and texts[0].startswith("error unknown-argument: "), "an unknown argument", texts)
    check("\nhint: known: command, " in texts[0], "its hint names all known ones", texts)
    code = structured["error"]["code"] if structured else None
    check(code == ("unknown-argument" if with_structure else None), "its structured form", structured)

    is_error, texts, _ = await session.call("vm_run", {"command": "true", "timeout_seconds": 0})
    check(is_error and texts[0].startswith("error invalid-argument: "), "a value out of range", texts)
    check("`timeout_seconds` must be 1–86400, got `0`" in texts[0], "its range", texts)

    try:
        answer = await session.call("workspace_create", {})
        check(False, "an unknown tool", answer)
    except Exception as error:  # The two generations share no class of error.
        error_code = getattr(error, "code", None) or error.error.code
        check(error_code == -32602, "an unknown tool", error)


async def check_runs(session, with_structure):
    progress = []

    async def heard(value, total, message):
        progress.append((value, message))

    is_error, texts, structured = await session.call("vm_run", {"command": "git --version"}, heard)
    check(not is_error and texts[0].startswith("exit 0 in "), "git --version", texts)
    check("stdout:\ngit version " in texts[0] and " deleted\n" in texts[0], "its output and cleanup", texts)
    check(len(progress) >= 2, "its progress", progress)
    check([value for value, _ in progress] == sorted({value for value, _ in progress}), "it grows", progress)
    check((structured is not None) == with_structure, "its structured form", structured)
    if structured:
        check(structured["exit_code"] == 0 and structured["stdout"].startswith("git version "), "its fields", structured)
        check(structured["cleanup"]["deleted"] is True, "cleanup.deleted", structured["cleanup"])
        check(structured["isolation"] in ("hardware", "emulated"), "its tier", structured["isolation"])


async def check_time_limit(session):
    is_error, texts, structured = await session.call(
        "vm_run", {"command": "sleep 9", "timeout_seconds": 1, "environment": None}
    )
    check(not is_error and texts[0].startswith("timed out after "), "a limit of 1 s over sleep 9", texts)
    if structured:
        check(structured["timed_out"] is True and structured["outcome"] == "timed_out", "timed_out", structured)


async def check_cancel(session):
    started = asyncio.Event()

    async def heard(_value, _total, message):
        if message == "running the command":
            started.set()

    arguments = {"command": "sleep 600", "timeout_seconds": 600}
    call = asyncio.create_task(session.call("vm_run", arguments, heard))
    await asyncio.wait_for(started.wait(), CALL_SECONDS)
    check(vms(), "a VM runs")
    await session.cancel(call)
    begin = time.monotonic()
    # What the protocol allows, and some time for the process to be seen as gone.
    while vms() and time.monotonic() < begin + 3.5:
        await asyncio.sleep(0.05)
    check(not vms(), "a cancelled call leaves no VM after 3 s", vms())
    tools = await session.tools()
    check(len(tools) == 1, "the server goes on", tools)


async def main(arguments):
    protocol_only = arguments[:1] == ["--protocol-only"]
    command = arguments[protocol_only:]
    for index, mode in enumerate(MODES):
        for structured in ("auto", "all"):
            print(f"mcp {VERSION}, {mode}, --structured {structured}", flush=True)
            async with connect([*command, "--structured", structured], mode) as session:
                await check_protocol(session, structured == "all")
                # VMs cost seconds: each mode starts them in one of the two forms.
                if not protocol_only and (structured == "all") == (index % 2 == 0):
                    await asyncio.gather(check_runs(session, structured == "all"), check_time_limit(session))
                    await check_cancel(session)
    return 1 if failed() else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
