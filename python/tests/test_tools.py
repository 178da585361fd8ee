"""The tools for a program's own loop of function calls, and the example of one."""

from __future__ import annotations

import asyncio
import glob
import json
import os
import subprocess
import sys
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from pyro_mcp import AsyncPyro, PyroInputError

from support import ENVIRONMENT, MINUTES, Case, cache_dir, isolation

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/openai_responses.py"

# What the model does: its calls, and what it must be told of each.
TURNS = [
    ("workspace_create", '{"name": "chat"}', "started"),
    (
        "workspace_file_write",
        '{"workspace_id": "chat", "path": "greeting.txt", "text": "hello\\n"}',
        "/workspace/greeting.txt",
    ),
    (
        "workspace_patch_apply",
        json.dumps(
            {"workspace_id": "chat", "patch": "--- a/greeting.txt\n+++ b/greeting.txt\n@@ -1 +1 @@\n-hello\n+bye\n"}
        ),
        "/workspace/greeting.txt",
    ),
    ("workspace_exec", '{"workspace_id": "chat", "command": "grep hello *"}', "exit 1 in "),
    ("workspace_diff", '{"workspace_id": "chat", "cached": true}', "error unknown-argument: "),
    ("workspace_diff", '{"workspace_id": "chat"}', "\n+bye\n"),
    ("workspace_delete", '{"workspace_id": "chat"}', "deleted"),
]


class Model:
    """A model of the Responses API on loopback, which does what it is told by ``TURNS``."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.turn = 0
        self.is_done = False
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                body = json.dumps(model.answer(self.path, asked)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def wants(self, holds: bool, what: object) -> None:
        if not holds:
            self.problems.append(str(what))

    def answer(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.wants(path == "/v1/responses", path)
        self.wants("pyro" in asked["instructions"], asked["instructions"])
        self.wants(len(asked["tools"]) == 16 and all(tool["type"] == "function" for tool in asked["tools"]), asked)
        previous = asked.get("previous_response_id")
        if previous is not None:
            self.wants(previous == f"resp_{self.turn}", previous)
            (result,) = asked["input"]
            self.wants(result["call_id"] == f"call_{self.turn}", result)
            self.wants(TURNS[self.turn][2] in result["output"], result)
            self.turn += 1
        item: dict[str, Any]
        if self.turn < len(TURNS):
            name, arguments, _ = TURNS[self.turn]
            item = {
                "type": "function_call",
                "id": f"fc_{self.turn}",
                "status": "completed",
                "call_id": f"call_{self.turn}",
                "name": name,
                "arguments": arguments,
            }
        else:
            self.is_done = True
            text = {"type": "output_text", "text": "That is done.", "annotations": []}
            item = {
                "type": "message",
                "id": "msg_0",
                "status": "completed",
                "role": "assistant",
                "content": [text],
            }
        return {
            "id": f"resp_{self.turn}",
            "object": "response",
            "created_at": 1_790_000_000,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": asked["instructions"],
            "metadata": {},
            "model": asked["model"],
            "output": [{"type": "reasoning", "id": f"rs_{self.turn}", "summary": []}, item],
            "parallel_tool_calls": True,
            "previous_response_id": previous,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": asked["tools"],
            "top_p": 1.0,
        }


def children() -> set[str]:
    """The processes of this one, as its VMs are. A thread that ends meanwhile leaves its own to another."""
    tasks = glob.glob("/proc/self/task/*/children")
    return {pid for task in tasks for pid in Path(task).read_text().split()}


class Tools(Case):
    def test_every_profile_has_its_tools_in_every_format(self) -> None:
        tools = self.pyro().create_tool_box("vm-run")
        self.assertEqual(tools.profile, "vm-run")
        self.assertIn("pyro", tools.instructions)
        names = [
            [tool["name"] for tool in tools.definitions()],
            [tool["function"]["name"] for tool in tools.definitions("openai-chat")],
            [tool["name"] for tool in tools.definitions("anthropic")],
            [tool["name"] for tool in tools.definitions("gemini")],
        ]
        self.assertEqual(names, [["vm_run"]] * 4)
        core = self.pyro().create_tool_box("workspace-core").definitions()
        self.assertEqual(len({tool["name"] for tool in core}), 16)

    def test_they_can_be_narrowed_and_what_is_not_there_is_refused(self) -> None:
        pyro = self.pyro()
        only = pyro.create_tool_box(tools=["vm_run", "workspace_list"], read_only=True)
        self.assertEqual([tool["name"] for tool in only.definitions()], ["workspace_list"])
        for wrong in ({"profile": "chat"}, {"tools": ["vm_runs"]}, {"project_path": "/nonexistent"}):
            with self.assertRaises(PyroInputError):
                pyro.create_tool_box(**wrong)
        with self.assertRaises(PyroInputError):
            only.definitions("cohere")  # type: ignore[arg-type]

    def test_calls_are_answered_with_text_for_the_model(self) -> None:
        tools = self.pyro().create_tool_box("vm-run", environment=ENVIRONMENT)
        done = tools.call("vm_run", {"command": "cat /etc/os-release; exit 3"})
        self.assertShape(done)
        self.assertFalse(done.is_error)
        self.assertIn("exit 3 in ", done.text)
        self.assertIn('VERSION_ID="12"', done.text)
        for name, arguments, said in (
            ("vm_run", '{"command": ', "error invalid-argument: "),
            ("vm_run", {"command": "true", "x": 1}, "error unknown-argument: "),
            ("workspace_list", "", "error unknown-argument: unknown tool"),
            ("vm_run", {"command": "true", "seed_path": "/etc"}, "error host-path-denied: "),
        ):
            refused = tools.call(name, arguments)
            self.assertTrue(refused.is_error)
            self.assertTrue(refused.text.startswith(said), refused.text)
        self.assertNoVm()

    def test_a_cancelled_call_leaves_no_vm(self) -> None:
        async def cancelled() -> None:
            tools = AsyncPyro(**self.settings()).create_tool_box("vm-run")
            call = asyncio.create_task(tools.call_async("vm_run", {"command": "sleep 9999"}))
            while not children():
                await asyncio.sleep(0.1)
            call.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await call
            while children():
                await asyncio.sleep(0.1)

        asyncio.run(asyncio.wait_for(cancelled(), MINUTES))
        self.assertNoVm()

    def test_a_workspace_starts_from_the_project(self) -> None:
        project = self.base / "project"
        project.mkdir()
        (project / "name").write_text("of the project\n")
        tools = self.pyro().create_tool_box("workspace-core", project_path=project)
        try:
            self.assertFalse(tools.call("workspace_create", {"name": "seeded"}).is_error)
            read = tools.call("workspace_file_read", {"workspace_id": "seeded", "path": "name"})
            self.assertIn("of the project", read.text)
        finally:
            tools.call("workspace_delete", {"workspace_id": "seeded"})


class Example(Case):
    def test_a_model_of_the_responses_api_works_in_a_workspace(self) -> None:
        # The client library is where that of the MCP tests is, whose interpreter this one is a copy of.
        asked = [os.environ["PYRO_TEST_PYTHON"], "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        model = Model()
        self.addCleanup(model.server.shutdown)
        no_proxy = {name: "" for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")}
        done = subprocess.run(
            [sys.executable, EXAMPLE],
            capture_output=True,
            text=True,
            timeout=MINUTES,
            env={
                **os.environ,
                **no_proxy,
                "PYTHONPATH": packages,
                "PYRO_HOME": str(self.base / "home"),
                "PYRO_CACHE_DIR": cache_dir(),
                "PYRO_ISOLATION": isolation(),
                "OPENAI_BASE_URL": model.url(),
                "OPENAI_API_KEY": "none",
            },
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((model.problems, model.is_done), ([], True))
        self.assertTrue(done.stdout.startswith("profile workspace-core: 16 tools\nworkspace_create: "), done.stdout)
        self.assertTrue(done.stdout.endswith("\nThat is done.\n"), done.stdout)
        self.assertNoVm()


if __name__ == "__main__":
    unittest.main()
