"""What is refused, and how that is said. Nothing here needs a VM."""

from __future__ import annotations

import pickle
import unittest

import pyro_mcp
from pyro_mcp import Pyro, PyroError, PyroInputError, create_server

from support import Case


class Errors(Case):
    def refused(self, *names: str) -> "unittest.case._AssertRaisesContext[PyroInputError]":
        pattern = "(?s)" + ".*".join(names)
        return self.assertRaisesRegex(PyroInputError, pattern)

    def test_an_unknown_argument_is_named(self) -> None:
        with self.assertRaisesRegex(TypeError, "memory"):
            self.pyro().run_in_vm("debian:12", "true", memory=5)  # type: ignore[call-arg]

    def test_an_argument_of_another_type_is_named(self) -> None:
        pyro = self.pyro()
        with self.refused("mem_mib"):
            pyro.run_in_vm("debian:12", "true", mem_mib="much")  # type: ignore[arg-type]
        with self.refused("timeout_seconds"):
            pyro.run_in_vm("debian:12", "true", timeout_seconds=1.5)  # type: ignore[arg-type]
        with self.refused("seed_path"):
            pyro.run_in_vm("debian:12", "true", seed_path=7)  # type: ignore[arg-type]
        with self.refused("argv"):
            pyro.run_in_vm("debian:12", argv="ls -l")
        with self.refused("env"):
            pyro.run_in_vm("debian:12", "true", env=["A=1"])  # type: ignore[arg-type]
        with self.refused("labels"):
            pyro.list_workspaces(labels="a")  # type: ignore[arg-type]
        with self.refused("stdin"):
            pyro.run_in_vm("debian:12", "true", stdin="text")  # type: ignore[arg-type]
        with self.refused("stream"):
            pyro.logs_workspace("alpha", stream="all")  # type: ignore[arg-type]

    def test_a_value_out_of_range_is_named_with_its_range(self) -> None:
        with self.refused("mem_mib", "128") as caught:
            self.pyro().run_in_vm("debian:12", "true", mem_mib=64)
        error = caught.exception
        self.assertEqual(error.code, "invalid-argument")
        self.assertIn("mem_mib", error.message)
        self.assertIsNotNone(error.hint)
        self.assertIn(str(error.hint), str(error))
        with self.refused("timeout_seconds"):
            self.pyro().run_in_vm("debian:12", "true", timeout_seconds=0)

    def test_a_command_is_needed_and_only_one(self) -> None:
        with self.refused("command"):
            self.pyro().run_in_vm("debian:12")
        with self.refused("argv"):
            self.pyro().run_in_vm("debian:12", "true", argv=["true"])

    def test_exceptions_have_the_kinds_that_programs_catch(self) -> None:
        pyro = self.pyro()
        with self.assertRaises(ValueError):
            pyro.status_workspace("../victim")
        with self.assertRaises(PyroInputError) as refused:
            pyro.status_vm("alpha")
        self.assertEqual(refused.exception.code, "invalid-id")
        with self.assertRaises(RuntimeError) as caught:
            pyro.status_workspace("alpha")
        error = caught.exception
        assert isinstance(error, PyroError)
        self.assertNotIsInstance(error, PyroInputError)
        self.assertEqual(error.code, "workspace-not-found")
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((copy.code, copy.message, copy.hint), (error.code, error.message, error.hint))

    def test_settings_are_checked_when_it_is_opened(self) -> None:
        with self.refused("isolation"):
            Pyro(isolation="strong")  # type: ignore[arg-type]
        with self.refused("base_dir"):
            Pyro(base_dir=3)  # type: ignore[arg-type]
        with self.refused("allow_host_compat"):
            Pyro(allow_host_compat="yes")  # type: ignore[arg-type]

    def test_an_unknown_profile_names_those_that_there_are(self) -> None:
        with self.refused("vm-run", "workspace-core", "workspace-full"):
            create_server("workspace")  # type: ignore[arg-type]
        with self.refused("no tool"):
            self.pyro().create_server(tools=["vm_fly"])
        with self.refused("transport"):
            self.pyro().create_server().run("carrier-pigeon")
        with self.refused("listen"):
            self.pyro().create_server().run(listen="127.0.0.1:0")
        with self.refused("auth_token"):
            self.pyro().create_server().run("http", listen="0.0.0.0:0")

    def test_only_one_snapshot_is_there(self) -> None:
        with self.assertRaises(PyroError) as caught:
            self.pyro().reset_workspace("alpha", snapshot="before")
        self.assertEqual(caught.exception.code, "item-not-found")
        self.assertEqual(caught.exception.details, {"kind": "snapshot"})

    def test_opening_touches_nothing(self) -> None:
        with Pyro(base_dir=self.base / "never", cache_dir=self.base / "never-either") as pyro:
            pyro.create_server("vm-run")
        self.assertFalse((self.base / "never").exists() or (self.base / "never-either").exists())

    def test_the_version_is_that_of_the_package(self) -> None:
        from importlib.metadata import version

        self.assertEqual(pyro_mcp.__version__, version("pyro-mcp"))
