"""The same methods for coroutines, and how their tasks are cancelled."""

from __future__ import annotations

import asyncio
import inspect
import unittest
from typing import Any

from pyro_mcp import AsyncPyro, Pyro, PyroError

from support import ENVIRONMENT, MINUTES, Case


class Coroutines(Case):
    def run_async(self, body: Any) -> Any:
        async def main() -> Any:
            async with AsyncPyro(**self.settings()) as pyro:
                return await asyncio.wait_for(body(pyro), MINUTES)

        return asyncio.run(main())

    def test_every_method_is_there_as_a_coroutine(self) -> None:
        for name, method in inspect.getmembers(Pyro, inspect.isfunction):
            if name.startswith("_") or name in ("create_server", "create_tool_box", "workspace_session", "vm_session"):
                continue
            other = getattr(AsyncPyro, name)
            self.assertTrue(inspect.iscoroutinefunction(other), name)
            self.assertEqual(inspect.signature(other), inspect.signature(method))
            self.assertEqual(other.__doc__, method.__doc__)

    def test_calls_go_on_beside_each_other(self) -> None:
        async def body(pyro: AsyncPyro) -> None:
            heard: list[bytes] = []

            async def on_output(stream: str, chunk: bytes) -> None:
                heard.append(chunk)

            async with pyro.workspace_session(ENVIRONMENT) as workspace:
                waiting = pyro.exec_workspace(
                    workspace.workspace_id,
                    "echo waits; while ! test -e go; do sleep 0.1; done; cat",
                    stdin=b"in",
                    on_output=on_output,
                    timeout_seconds=MINUTES,
                )

                async def let_go() -> None:
                    while not heard:
                        await asyncio.sleep(0.01)
                    await pyro.write_workspace_file(workspace.workspace_id, "go", "")

                done, _ = await asyncio.gather(waiting, let_go())
            self.assertEqual((done.stdout, b"".join(heard)), ("waits\nin", b"waits\nin"))

        self.run_async(body)
        self.assertNoVm()

    def test_cancelling_a_task_ends_its_command(self) -> None:
        async def body(pyro: AsyncPyro) -> None:
            async with pyro.workspace_session(ENVIRONMENT) as workspace:
                begun = asyncio.Event()
                task = asyncio.create_task(
                    pyro.exec_workspace(
                        workspace.workspace_id,
                        "echo begun; sleep 9999",
                        on_output=lambda stream, chunk: begun.set(),
                        timeout_seconds=MINUTES,
                    )
                )
                await begun.wait()
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                (entry,) = (await pyro.logs_workspace(workspace.workspace_id)).entries
                self.assertEqual((entry.outcome, entry.exit_code), ("cancelled", 130))
                left = await pyro.exec_workspace(
                    workspace.workspace_id, "pgrep -c sleep || true", timeout_seconds=MINUTES
                )
                self.assertNotEqual(left.stdout.strip(), "1")

        self.run_async(body)
        self.assertNoVm()

    def test_cancelling_a_run_removes_its_vm(self) -> None:
        async def body(pyro: AsyncPyro) -> None:
            begun = asyncio.Event()
            task = asyncio.create_task(
                pyro.run_in_vm(
                    ENVIRONMENT,
                    "echo begun; sleep 9999",
                    on_output=lambda stream, chunk: begun.set(),
                    timeout_seconds=MINUTES,
                )
            )
            await begun.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        self.run_async(body)
        self.assertNoVm()

    def test_what_is_being_made_is_taken_back(self) -> None:
        async def body(pyro: AsyncPyro) -> None:
            task = asyncio.create_task(pyro.create_workspace(ENVIRONMENT))
            await asyncio.sleep(0.02)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual((await pyro.list_workspaces()).count, 0)

        self.run_async(body)

    def test_errors_are_the_same(self) -> None:
        async def body(pyro: AsyncPyro) -> None:
            with self.assertRaises(ValueError):
                await pyro.run_in_vm(ENVIRONMENT, "true", mem_mib=1)
            with self.assertRaises(PyroError) as caught:
                await pyro.status_workspace("nobody")
            self.assertEqual(caught.exception.code, "workspace-not-found")

        self.run_async(body)


if __name__ == "__main__":
    unittest.main()
