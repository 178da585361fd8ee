"""What all results have in common."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any, Callable, Mapping


class Result(dict[str, Any]):
    """A result: a dictionary with the fields of the JSON form, which are attributes too."""

    __slots__ = ()

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        for name, shape in _shapes(type(self)).items():
            if name in self:
                self[name] = shape(self[name])

    if not TYPE_CHECKING:  # Else every attribute would be known to type checkers.

        def __getattr__(self, name: str) -> Any:
            if name in self:
                return self[name]
            # A few fields are there only where they say something.
            if name in _fields(type(self)):
                return None
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class Progress(Result):
    """How far an operation is. What has no meaning in it is None."""

    __slots__ = ()

    kind: str
    """``phase`` or ``step``: another began; ``bytes``: it moved on; ``found``: a source is being looked through."""
    message: str | None
    """The phase (``environment``, ``starting``, ``running``, ``exporting``, ``removing``), or the step in words."""
    entry_count: int | None
    """Names found so far."""
    bytes_done: int | None
    """Bytes so far."""
    bytes_total: int | None
    """Bytes in all, where that is known."""


_FIELDS: dict[type[Result], dict[str, Any]] = {}
_SHAPES: dict[type[Result], dict[str, Callable[[Any], Any]]] = {}


def _fields(kind: type[Result]) -> dict[str, Any]:
    """The fields that a class declares, with their types."""
    if kind not in _FIELDS:
        _FIELDS[kind] = typing.get_type_hints(kind)
    return _FIELDS[kind]


def _shapes(kind: type[Result]) -> dict[str, Callable[[Any], Any]]:
    """How the fields are made that hold results themselves."""
    if kind not in _SHAPES:
        shapes = {name: _shape(annotation) for name, annotation in _fields(kind).items()}
        _SHAPES[kind] = {name: shape for name, shape in shapes.items() if shape is not None}
    return _SHAPES[kind]


def _shape(annotation: Any) -> Callable[[Any], Any] | None:
    if isinstance(annotation, type) and issubclass(annotation, Result):
        return annotation
    arguments = typing.get_args(annotation)
    inner = next((shape for shape in map(_shape, arguments) if shape is not None), None)
    if inner is None:
        return None
    if typing.get_origin(annotation) is list:
        return lambda items: [inner(item) for item in items]
    return lambda value: None if value is None else inner(value)
