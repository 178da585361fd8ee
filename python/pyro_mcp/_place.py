"""Where the package has the program `pyro` and what every guest boots."""

from __future__ import annotations

from pathlib import Path

_DIST = Path(__file__).resolve().parent / "_dist"

PROGRAM = _DIST / "bin" / "pyro"
RUNTIME = _DIST / "lib" / "pyro"
