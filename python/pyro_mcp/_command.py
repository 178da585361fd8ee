"""The command `pyro`."""

from __future__ import annotations

import os
import sys

from ._place import PROGRAM

_CANNOT = 125


def main() -> None:
    """Becomes the program that the package carries, with the arguments of this process."""
    try:
        os.execv(PROGRAM, [str(PROGRAM), *sys.argv[1:]])
    except OSError as error:
        print(f"error: cannot run `{PROGRAM}`: {error.strerror}", file=sys.stderr)
        print("hint: install the package again", file=sys.stderr)
        sys.exit(_CANNOT)
