"""How a method is made of its signature."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

from ._limits import checked, page_of, shorten_streams

# What an operation hears besides its own arguments.
_MANNER = ("stdin", "on_output", "on_progress")


def _shorter(content: dict[str, Any], max_output_chars: int) -> None:
    """Limits the streams of a command, or of several."""
    for execution in content.get("entries", [content]):
        shorten_streams(execution, max_output_chars)


# What is made of a result before it is shown, if the caller asks for it.
_LIMITED = {"exec_vm", "exec_workspace", "logs_workspace", "run_in_vm"}


def _limits(name: str, arguments: dict[str, Any]) -> Callable[[Any], None]:
    """Takes the limits on the result out of the arguments; what comes back applies them to it."""
    if name == "list_workspaces":
        limit, page = checked("limit", arguments.pop("limit"), 1), arguments.pop("page")
        return lambda content: page_of(content, limit, page)
    if name in _LIMITED:
        most = checked("max_output_chars", arguments.pop("max_output_chars"), 0)
        if most is not None:
            return lambda content: _shorter(content, most)
    return lambda content: None


def operation(shape: Callable[[Any], Any]) -> Callable[[Callable[..., None]], Callable[..., Any]]:
    """Makes a method of a signature. The result, or each item of one that is a list, has the given shape."""

    def make(function: Callable[..., None]) -> Callable[..., Any]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            arguments = dict(list(bound.arguments.items())[1:])
            manner = {name: arguments.pop(name) for name in _MANNER if name in arguments}
            limit = _limits(function.__name__, arguments)

            def shaped(content: Any) -> Any:
                limit(content)
                return [shape(item) for item in content] if isinstance(content, list) else shape(content)

            return self._do(function.__name__, shaped, arguments, **manner)

        setattr(method, "_is_operation", True)
        return method

    return make
