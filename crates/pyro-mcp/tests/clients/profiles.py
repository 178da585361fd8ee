"""What becomes of an agent that is promoted from `vm-run` to `workspace-core`, by the official Python client.

Usage: profiles.py BINARY

Prints one line per check; the exit code is 1 if any failed.
"""

import asyncio
import json
import re
import sys

from session import VERSION, check, connect, failed

CORE = """vm_run workspace_create workspace_delete workspace_diff workspace_exec workspace_export workspace_file_list
workspace_file_read workspace_file_write workspace_list workspace_logs workspace_patch_apply workspace_reset workspace_status
workspace_sync_push workspace_update""".split()

# What an agent of `workspace-core` is never shown.
ABSENT = ["shell_", "service", "snapshot_", "secret", "network_policy", "allow_domain", "fork", "disk_export", "disk_list"]


def serve(binary, profile):
    """The command: a profile is one word of it."""
    return [binary, "mcp", "serve", "--profile", profile]


def shown(tools):
    """Each tool as a model sees it, by its name."""
    return {tool.name: json.dumps(tool.model_dump(), sort_keys=True) for tool in tools}


async def one_shot_runs_only(binary):
    async with connect(serve(binary, "vm-run"), "auto") as session:
        tools = shown(await session.tools())
        check(list(tools) == ["vm_run"], "the list is vm_run alone", tools)
        named = re.findall(r"\b(?:workspace|snapshot|shell|service)_?\w*", session.instructions)
        check(not named, "the instructions name no workspace tool", named)

        is_error, texts, _ = await session.call("vm_run", {"command": "git --version"})
        check(not is_error and re.match(r"exit 0 in .* (hardware|emulated)/", texts[0]), "a command and its tier", texts)
        check("git version " in texts[0] and " deleted\n" in texts[0], "its output and its cleanup", texts)
        is_error, texts, _ = await session.call("vm_run", {"command": "echo out; exit 3"})
        check(not is_error and texts[0].startswith("exit 3 in "), "another exit status is a result", texts)
        is_error, texts, _ = await session.call("vm_run", {"command": "echo out; sleep 9", "timeout_seconds": 1})
        check(not is_error and texts[0].startswith("timed out after "), "so is a time limit", texts)
        check("\nout\n" in texts[0], "with the output so far", texts)
        is_error, texts, _ = await session.call("vm_run", {"command": "true", "foo": 1})
        check(is_error and texts[0].startswith("error unknown-argument: "), "an unknown argument", texts)
        try:
            answer = await session.call("workspace_create", {})
            check(False, "a tool of another profile", answer)
        except Exception as error:  # The two generations share no class of error.
            code = getattr(error, "code", None) or error.error.code
            check(code == -32602, "a tool of another profile is unknown", error)
        return tools["vm_run"]


async def promoted(binary, vm_run):
    async with connect(serve(binary, "workspace-core"), "auto") as session:
        tools = shown(await session.tools())
        check(list(tools) == CORE, "the list is the 16, in the order of their names", list(tools))
        check(tools["vm_run"] == vm_run, "vm_run is what it was, byte for byte", tools["vm_run"])
        text = (session.instructions + " ".join(tools.values())).lower()
        found = [word for word in ABSENT if word in text]
        check(not found, "nothing is said of what is not in the profile", found)

        _, texts, _ = await session.call("workspace_create", {"name": "promoted"})
        check("started" in texts[0], "a workspace is made", texts)
        await session.call("workspace_exec", {"workspace_id": "promoted", "command": "echo kept >f"})
    async with connect(serve(binary, "workspace-core"), "auto") as session:
        _, texts, _ = await session.call("workspace_file_read", {"workspace_id": "promoted", "path": "f"})
        check(texts[0].endswith("kept\n"), "another server finds it as it was", texts)
        _, texts, _ = await session.call("workspace_delete", {"workspace_id": "promoted"})
        check("deleted" in texts[0], "it is deleted", texts)


async def main(binary):
    print(f"mcp {VERSION}", flush=True)
    await promoted(binary, await one_shot_runs_only(binary))
    return 1 if failed() else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
