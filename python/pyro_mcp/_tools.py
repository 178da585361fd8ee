"""The tools of the MCP server, for a program's own loop of function calls."""

from __future__ import annotations

import json
from typing import Any, Literal, Mapping

from ._arguments import converted
from ._drive import Operation
from ._errors import error_of
from ._native import Core, NativeError
from .results import ToolOutput


class ToolBox:
    """The tools of a profile as functions for a model, and calls of them in its name; no MCP, no transport."""

    profile: str
    """The tools on offer: ``vm-run``, ``workspace-core`` or ``workspace-full``."""
    instructions: str
    """What the model should know about all of them together: good for a system prompt."""

    def __init__(self, core: Core, choice: dict[str, Any]) -> None:
        try:
            self._tools = core.tool_box(converted(choice))
        except NativeError as error:
            raise error_of(error.args[0]) from None
        self.profile = choice["profile"]
        self.instructions = self._tools.instructions()

    def definitions(
        self, format: Literal["openai", "openai-chat", "anthropic", "gemini"] = "openai"
    ) -> list[dict[str, Any]]:
        """The definitions that an API takes: of OpenAI's Responses (``openai``) or Chat Completions (``openai-chat``),
        which local model servers speak too, of Anthropic or of Gemini. ``pyro tools export`` prints the same.
        """
        try:
            return self._tools.definitions(format)
        except NativeError as error:
            raise error_of(error.args[0]) from None

    def call(self, name: str, arguments: str | Mapping[str, Any] = "") -> ToolOutput:
        """Calls a tool as a model asks for it: by its name, with the text of a JSON object or a mapping.

        What goes wrong is told to the model, so only a call that is cancelled raises.
        """
        return ToolOutput(self._begin(name, arguments).wait())

    async def call_async(self, name: str, arguments: str | Mapping[str, Any] = "") -> ToolOutput:
        """The same without blocking. Cancelling the task ends what the tool does."""
        return ToolOutput(await self._begin(name, arguments).wait_async())

    def _begin(self, name: str, arguments: str | Mapping[str, Any]) -> Operation:
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments))
        return Operation(lambda manner: self._tools.begin(name, text, manner))
