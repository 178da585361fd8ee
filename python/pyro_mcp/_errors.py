"""The exceptions of the package."""

from __future__ import annotations

from typing import Any

_INPUT_EXIT = 2


class PyroError(RuntimeError):
    """A failure of pyro. ``str()`` of it is the message; a hint, if there is one, follows on its own line."""

    code: str
    """What went wrong, for programs, as in ``workspace-not-found``."""
    message: str
    """One sentence that names the thing and the cause."""
    hint: str | None
    """The next step."""
    details: dict[str, Any] | None
    """Facts for programs."""

    def __init__(
        self,
        code: str,
        message: str,
        hint: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message, hint, details)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class PyroInputError(PyroError, ValueError):
    """An argument that was refused before any work."""


def error_of(failure: dict[str, Any]) -> PyroError:
    """The exception for a failure that the native module tells of."""
    kind = PyroInputError if failure["exit_status"] == _INPUT_EXIT else PyroError
    return kind(failure["code"], failure["message"], failure["hint"], failure["details"])


def refused(argument: str, problem: str, hint: str | None = None) -> PyroInputError:
    """The exception for an argument that cannot be used."""
    return PyroInputError("invalid-argument", f"`{argument}` cannot be used: {problem}", hint)
