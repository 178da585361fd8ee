"""Arguments as the native module takes them."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any, Callable, Mapping

from ._errors import refused


def _text(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"it must be str or bytes, got {type(value).__name__}")


def _words(value: Any) -> list[bytes]:
    if isinstance(value, (str, bytes)):
        raise TypeError("it must be a list of words; `command` takes a shell string")
    return [os.fsencode(word) for word in value]


def _by_name(value: Any) -> dict[str, bytes]:
    return {name: os.fsencode(content) for name, content in _mapping(value).items()}


def _paths(value: Any) -> list[bytes]:
    if isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError("it must be a list of directories")
    return [os.fsencode(path) for path in value]


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"it must be a mapping, got {type(value).__name__}")
    return dict(value)


def _names(value: Any) -> list[Any]:
    if isinstance(value, (str, bytes)):
        raise TypeError("it must be a list")
    return list(value)


# What is not as Python programs have it, by the names of the parameters.
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "allow_host_paths": _paths,
    "argv": _words,
    "base_dir": os.fsencode,
    "cache_dir": os.fsencode,
    "clear_labels": _names,
    "env": _by_name,
    "exclude_tools": _names,
    "exports": _by_name,
    "labels": _mapping,
    "output_path": os.fsencode,
    "packages": _names,
    "patch": _text,
    "project_path": os.fsencode,
    "seed_path": os.fsencode,
    "source_path": os.fsencode,
    "text": _text,
    "tools": _names,
}


def converted(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for the native module. What is None is not given."""
    given = {}
    for name, value in arguments.items():
        if value is None:
            continue
        try:
            conversion = _CONVERSIONS.get(name)
            given[name] = value if conversion is None else conversion(value)
        except (TypeError, UnicodeError) as error:
            raise refused(name, str(error)) from None
    if "text" in given:
        given["text"] = _decoded(given["text"], given.pop("encoding", "utf-8"))
    return given


def _decoded(text: bytes, encoding: Any) -> bytes:
    if encoding == "utf-8":
        return text
    if encoding == "base64":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise refused("text", str(error)) from None
    raise refused("encoding", f"it must be utf-8 or base64, got {encoding!r}")
