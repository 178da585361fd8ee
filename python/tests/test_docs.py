"""The programs in the documentation do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from support import MINUTES, Case, cache_dir, isolation

ROOT = Path(__file__).resolve().parents[2]

# What each program of a page prints, in their order; a part of it.
PRINTED = {
    "docs/python.md": [
        f"hello\n 3 {isolation()}",
        "stdout b'written in the guest\\n'\nadded notes.txt\ndiff --git a/notes.txt b/notes.txt",
        "one\n other",
        "invalid-argument `mem_mib`",
        "",
        "['vm_run']\nexit 0 in ",
    ],
    "python/README.md": ["Linux"],
    "README.md": ["hello"],
}


class Docs(Case):
    def test_every_program_runs(self) -> None:
        variables = {
            **os.environ,
            "PYRO_HOME": str(self.base / "home"),
            "PYRO_CACHE_DIR": cache_dir(),
            "PYRO_ISOLATION": isolation(),
        }
        for page, printed in PRINTED.items():
            programs = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
            self.assertEqual(len(programs), len(printed), page)
            for number, (program, part) in enumerate(zip(programs, printed)):
                with self.subTest(page=page, number=number):
                    place = self.base / f"{page.replace('/', '-')}-{number}"
                    place.mkdir(exist_ok=True)
                    done = subprocess.run(
                        [sys.executable, "-c", program],
                        stdin=subprocess.DEVNULL,
                        capture_output=True,
                        text=True,
                        cwd=place,
                        env=variables,
                        timeout=MINUTES,
                    )
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(part, done.stdout)


if __name__ == "__main__":
    unittest.main()
