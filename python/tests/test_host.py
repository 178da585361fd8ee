"""The host, environments, and what pyro keeps."""

from __future__ import annotations

import unittest

from pyro_mcp import EnvironmentInfo, PyroError, PyroInputError

from support import ENVIRONMENT, Case, isolation


class Host(Case):
    def test_environments_are_listed_and_described(self) -> None:
        pyro = self.pyro()
        environments = pyro.list_environments()
        self.assertIsInstance(environments, list)
        names = {environment.name: environment for environment in environments}
        self.assertIsInstance(names[ENVIRONMENT], EnvironmentInfo)
        self.assertTrue(names[ENVIRONMENT].installed)
        described = pyro.inspect_environment(ENVIRONMENT)
        self.assertShape(described)
        self.assertEqual(described, names[ENVIRONMENT])
        with self.assertRaises(PyroError) as caught:
            pyro.inspect_environment("debian:12-bulid")
        self.assertEqual(caught.exception.code, "environment-not-found")
        self.assertIn("debian:12-build", str(caught.exception.hint))

    def test_what_cannot_be_fetched_is_an_error(self) -> None:
        pyro = self.pyro()
        with self.assertRaises(PyroError):
            pyro.import_environment(str(self.base / "no.tar"))
        with self.assertRaises(PyroError):
            pyro.build_environment("no-such", packages=["vim"])
        with self.assertRaises(PyroInputError):
            pyro.pull_environment("Not A Name")

    def test_the_doctor_reports(self) -> None:
        report = self.pyro().doctor()
        self.assertShape(report)
        self.assertTrue(report.runtime_ok, report)
        usable = {tier.isolation for tier in report.tiers if tier.usable}
        self.assertIn(isolation(), usable)

    def test_an_environment_is_prepared_once(self) -> None:
        pyro = self.pyro()
        first = pyro.prepare(ENVIRONMENT)
        self.assertShape(first)
        self.assertEqual(first.status, "pass", first)
        self.assertTrue(pyro.prepare(ENVIRONMENT).reused)

    def test_what_is_kept_is_measured_and_pruned(self) -> None:
        pyro = self.pyro()
        usage = pyro.disk_usage()
        self.assertShape(usage)
        self.assertIn(ENVIRONMENT, {item.name for item in usage.environments})
        pruned = pyro.prune("1w", dry_run=True)
        self.assertShape(pruned)
        self.assertTrue(pruned.dry_run)
        self.assertShape(pyro.prune_environments(dry_run=True))
        with self.assertRaisesRegex(PyroInputError, "older_than"):
            pyro.prune("soon")


if __name__ == "__main__":
    unittest.main()
