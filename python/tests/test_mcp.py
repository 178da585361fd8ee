"""The MCP server: as the command that the wheel brings, and made by programs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Sequence

import pyro_mcp
from pyro_mcp import AsyncPyro, Server

from support import ENVIRONMENT, MINUTES, Case, cache_dir, isolation

COMMAND = str(Path(sys.executable).with_name("pyro"))
TOKEN = "0123456789abcdef0123456789abcdef"
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def message(number: int, method: str, parameters: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}


class Client:
    """A client over the standard input and output of a server."""

    def __init__(self, words: Sequence[str], variables: dict[str, str]) -> None:
        self.server = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **variables}
        )
        self.count = 0

    def call(self, method: str, parameters: Any) -> Any:
        self.count += 1
        self.send(message(self.count, method, parameters))
        assert self.server.stdout is not None
        while True:
            answer = json.loads(self.server.stdout.readline())
            if answer.get("id") == self.count:
                return answer["result"]

    def send(self, what: Any) -> None:
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps(what).encode() + b"\n")
        self.server.stdin.flush()

    def begin(self) -> Any:
        opened = self.call("initialize", INITIALIZE)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return opened

    def tools(self) -> list[str]:
        return [tool["name"] for tool in self.call("tools/list", {})["tools"]]


class Mcp(Case):
    def serve(self, *words: str) -> Client:
        variables = {
            "PYRO_HOME": str(self.base / "home"),
            "PYRO_CACHE_DIR": cache_dir(),
            "PYRO_ISOLATION": isolation(),
        }
        client = Client(words, variables)
        self.addCleanup(self.end, client)
        return client

    def end(self, client: Client) -> None:
        assert client.server.stdin is not None and client.server.stdout is not None
        client.server.stdin.close()
        self.assertEqual(client.server.wait(MINUTES), 0)
        client.server.stdout.close()

    def test_the_command_of_the_wheel_serves_and_runs_commands(self) -> None:
        version = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
        self.assertEqual(version.stdout, f"pyro {pyro_mcp.__version__}\n")
        client = self.serve(COMMAND, "mcp", "serve")
        self.assertEqual(client.begin()["serverInfo"]["name"], "pyro")
        tools = client.tools()
        self.assertIn("vm_run", tools)
        self.assertIn("workspace_create", tools)
        arguments = {"command": "echo from the wheel", "environment": ENVIRONMENT, "timeout_seconds": MINUTES}
        answer = client.call("tools/call", {"name": "vm_run", "arguments": arguments})
        self.assertFalse(answer.get("isError"), answer)
        self.assertIn("from the wheel", answer["content"][0]["text"])

    def test_a_program_serves_on_its_own_input_and_output(self) -> None:
        program = "from pyro_mcp import create_server; create_server('workspace-core', read_only=True).run()"
        client = self.serve(sys.executable, "-c", program)
        client.begin()
        tools = client.tools()
        self.assertIn("workspace_status", tools)
        self.assertNotIn("workspace_exec", tools)

    def test_ctrl_c_ends_a_server_without_an_error(self) -> None:
        program = "from pyro_mcp import create_server; create_server('vm-run').run(); print('left')"
        client = self.serve(sys.executable, "-c", program)
        client.begin()
        client.server.send_signal(signal.SIGINT)
        assert client.server.stdout is not None
        self.assertEqual(client.server.stdout.readline(), b"left\n")

    def post(self, url: str, token: str | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps(message(1, "initialize", INITIALIZE)).encode()
        request = urllib.request.Request(url, body, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=MINUTES) as answer:
            return answer.read().decode()

    def test_a_server_over_http_is_for_those_with_its_token_and_ends_with_its_task(self) -> None:
        async def main() -> None:
            server = AsyncPyro(**self.settings()).create_server("vm-run")
            self.assertIsInstance(server, Server)
            self.assertEqual(server.profile, "vm-run")
            reached: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            serving = asyncio.create_task(
                server.run_async("http", listen="127.0.0.1:0", auth_token=TOKEN, on_listen=reached.set_result)
            )
            url = await asyncio.wait_for(reached, MINUTES)
            answer = await asyncio.to_thread(self.post, url, TOKEN)
            self.assertIn('"pyro"', answer)
            for wrong in (None, TOKEN[::-1]):
                with self.assertRaises(urllib.error.HTTPError) as caught:
                    await asyncio.to_thread(self.post, url, wrong)
                self.assertEqual(caught.exception.code, 401)
                caught.exception.close()
            serving.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await serving
            with self.assertRaises(urllib.error.URLError):
                await asyncio.to_thread(self.post, url, TOKEN)

        asyncio.run(main())

    def test_without_a_token_one_is_made_for_this_user(self) -> None:
        server = self.pyro().create_server("vm-run")
        reached = threading.Event()
        urls: list[str] = []

        def on_listen(url: str) -> None:
            urls.append(url)
            reached.set()
            answer = self.post(url, (self.base / "home/mcp-token").read_text().strip())
            self.assertIn('"pyro"', answer)
            raise StopIteration

        with self.assertRaises(StopIteration):
            server.run("http", listen="127.0.0.1:0", on_listen=on_listen)
        self.assertTrue(reached.is_set() and urls[0].endswith("/mcp"))


if __name__ == "__main__":
    unittest.main()
