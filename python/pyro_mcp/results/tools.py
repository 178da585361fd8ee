"""What tools say."""

from __future__ import annotations

from typing import Any

from ._base import Result


class ToolOutput(Result):
    """What a model is told of a call of a tool."""

    __slots__ = ()

    text: str
    """For the model; it has all that the next step needs."""
    structured: dict[str, Any] | None
    """The object behind the text, from tools that have one."""
    is_error: bool
    """Whether the tool could not do its job. A command that ended with another status than 0 is no such failure."""
