"""Commands where no VM can run: on the host itself, if that is allowed. Started by ``test_host_compat``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pyro_mcp import Pyro, PyroError

from support import ENVIRONMENT, Case


class WithoutVms(Case):
    def settings(self) -> dict[str, Any]:
        # No tier is demanded, and no image is needed.
        return {"base_dir": self.base / "home", "cache_dir": self.base / "cache"}

    def test_without_leave_nothing_runs(self) -> None:
        with self.assertRaises(PyroError) as caught:
            self.pyro().run_in_vm(ENVIRONMENT, "true")
        self.assertEqual(caught.exception.code, "runtime-damaged")

    def test_a_command_runs_as_the_caller_and_says_so(self) -> None:
        done = Pyro(**self.settings(), allow_host_compat=True).run_in_vm(ENVIRONMENT, "id -u; pwd")
        self.assertShape(done)
        user, place = done.stdout.splitlines()
        self.assertEqual(int(user), os.getuid())
        self.assertFalse(Path(place).exists())
        self.assertEqual((done.isolation, done.vmm, done.execution_mode), ("host", "none", "host_compat"))
        self.assertTrue(done.warnings)
        self.assertNoVm()

    def test_a_workspace_has_its_files_in_a_directory(self) -> None:
        seed = self.base / "seed"
        seed.mkdir()
        (seed / "greeting").write_text("helo\n")
        pyro = Pyro(**self.settings(), allow_host_compat=True)
        with pyro.workspace_session(ENVIRONMENT, seed_path=seed) as workspace:
            self.assertTrue(workspace.allow_host_compat)
            self.assertEqual(workspace.isolation, "host")
            here = workspace.workspace_id
            pyro.exec_workspace(here, "sed -i s/helo/hello/ greeting")
            self.assertIn("+hello", pyro.diff_workspace(here).patch)
            pyro.reset_workspace(here)
            self.assertEqual(pyro.read_workspace_file(here, "greeting").content, "helo\n")
        self.assertNoVm()

    def test_a_server_lets_calls_ask_for_it(self) -> None:
        tools = Pyro(**self.settings(), allow_host_compat=True).create_tool_box("vm-run")
        refused = tools.call("vm_run", '{"command": "echo here"}')
        done = tools.call("vm_run", '{"command": "echo here", "allow_host_compat": true}')
        self.assertIn("runtime-damaged", str(refused))
        self.assertIn("here", str(done))
        self.assertIn("host", str(done))
