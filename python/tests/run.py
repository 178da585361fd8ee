"""Runs the tests beside this file, and says what came of them as Rust's harness does.

Without arguments each file is run by a process of its own, two at a time: an emulated VM keeps one core busy.
"""

from __future__ import annotations

import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

AT_ONCE = 2


def run_here(names: list[str]) -> int:
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    print(f"     Running python {' '.join(names)}", flush=True)
    started = time.monotonic()
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # Code around the tests that fails is counted too; one that is skipped has not passed.
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped)
    word = "ok" if result.wasSuccessful() else "FAILED"
    seconds = time.monotonic() - started
    print(f"test result: {word}. {max(passed, 0)} passed; {failed} failed; finished in {seconds:.2f}s", flush=True)
    return 0 if result.wasSuccessful() and passed > 0 else 1


def run_all() -> int:
    # Those with the most VMs are the longest.
    files = sorted(Path(__file__).parent.glob("test_*.py"), key=lambda file: -file.stat().st_size)
    failed = False

    def run(file: Path) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, __file__, file.stem]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(run, file) for file in files]):
            print(done.result().stdout, end="", flush=True)
            if done.result().returncode != 0:
                failed = True
                # A process that could not even begin to test has no result.
                print(f"{done.result().args[-1]} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_here(sys.argv[1:]) if sys.argv[1:] else run_all())
