"""Commands in VMs of their own, on real emulated VMs."""

from __future__ import annotations

import io
import os
import threading
import time
from typing import Any

from pyro_mcp import Progress, PyroError, VmExec

from support import ENVIRONMENT, MINUTES, Case, isolation


class Runs(Case):
    def test_a_run_tells_everything_and_leaves_nothing(self) -> None:
        with self.pyro() as pyro:
            done = pyro.run_in_vm(
                ENVIRONMENT, 'echo "$WORD"; echo oops >&2; exit 3', env={"WORD": "né"}, timeout_seconds=MINUTES
            )
        self.assertIsInstance(done, VmExec)
        self.assertShape(done)
        self.assertEqual((done.stdout, done.stderr, done.exit_code), ("né\n", "oops\n", 3))
        self.assertEqual((done.outcome, done.isolation), ("exited", isolation()))
        self.assertTrue(done.cleanup.deleted)
        self.assertEqual(done["stdout_info"]["bytes"], done.stdout_info.bytes)
        self.assertNoVm()

    def test_words_are_untouched_and_input_may_be_bytes(self) -> None:
        done = self.pyro().run_in_vm(
            ENVIRONMENT, argv=["cat", "-", "/dev/null"], stdin=b"a\n$HOME\x00\n", timeout_seconds=MINUTES
        )
        self.assertEqual(done.stdout, "a\n$HOME\x00\n")

    def test_output_comes_as_it_is_printed_and_input_as_it_is_read(self) -> None:
        heard: list[tuple[str, bytes]] = []
        reading, writing = os.pipe()

        def on_output(stream: str, chunk: bytes) -> None:
            heard.append((stream, chunk))
            # The command waits for this answer: it would never end if its output came at the end.
            if chunk.startswith(b"ask"):
                os.write(writing, b"answer\n")
                os.close(writing)

        with open(reading, "rb") as stdin:
            done = self.pyro().run_in_vm(
                ENVIRONMENT,
                "echo ask; read answer; echo got $answer >&2",
                stdin=stdin,
                on_output=on_output,
                timeout_seconds=MINUTES,
            )
        self.assertEqual(heard, [("stdout", b"ask\n"), ("stderr", b"got answer\n")])
        self.assertEqual((done.stdout, done.stderr), ("ask\n", "got answer\n"))

    def test_a_command_need_not_read_its_input(self) -> None:
        endless = io.BufferedReader(_Zeros())
        done = self.pyro().run_in_vm(ENVIRONMENT, "echo done", stdin=endless, timeout_seconds=MINUTES)
        self.assertEqual(done.stdout, "done\n")

    def test_input_that_cannot_be_read_ends_the_command(self) -> None:
        with self.assertRaisesRegex(ValueError, "binary"):
            self.pyro().run_in_vm(ENVIRONMENT, "cat", stdin=io.StringIO("text"))  # type: ignore[arg-type]
        self.assertNoVm()

    def test_an_error_in_a_listener_ends_the_command(self) -> None:
        def on_output(stream: str, chunk: bytes) -> None:
            raise LookupError("enough")

        with self.assertRaisesRegex(LookupError, "enough"):
            self.pyro().run_in_vm(
                ENVIRONMENT, "echo a; sleep 9999", on_output=on_output, timeout_seconds=MINUTES
            )
        self.assertNoVm()

    def test_phases_are_told(self) -> None:
        heard: list[Progress] = []
        self.pyro().run_in_vm(ENVIRONMENT, "true", on_progress=heard.append, timeout_seconds=MINUTES)
        phases = [progress.message for progress in heard if progress.kind == "phase"]
        self.assertEqual(phases[:1], ["environment"])
        self.assertIn("running", phases)
        for progress in heard:
            self.assertShape(progress)

    def test_a_seed_goes_in_and_results_come_out(self) -> None:
        seed = self.base / "seed"
        seed.mkdir()
        (seed / "a.txt").write_text("one\n")
        output = self.base / "b.txt"
        done = self.pyro().run_in_vm(
            ENVIRONMENT,
            "sed s/one/two/ a.txt > b.txt",
            seed_path=seed,
            return_diff=True,
            exports={"b.txt": output},
            timeout_seconds=MINUTES,
        )
        self.assertShape(done)
        self.assertEqual(output.read_text(), "two\n")
        assert done.diff is not None and done.exports is not None
        self.assertEqual(done.exports[0].output_path, str(output))
        (entry,) = done.diff.entries
        self.assertEqual((entry.path, entry.status), ("b.txt", "added"))
        self.assertEqual(entry.text_patch, done.diff.patch)

    def test_a_time_limit_is_a_result(self) -> None:
        done = self.pyro().run_in_vm(ENVIRONMENT, "echo begun; sleep 9999", timeout_seconds=1)
        self.assertEqual((done.outcome, done.exit_code, done.timed_out), ("timed_out", 124, True))

    def test_long_output_is_shortened_where_that_is_asked_for(self) -> None:
        command = "seq 1 100000"
        done = self.pyro().run_in_vm(ENVIRONMENT, command, max_output_chars=1000, timeout_seconds=MINUTES)
        self.assertTrue(done.stdout.startswith("1\n2\n") and done.stdout.endswith("\n100000\n"))
        self.assertIn("bytes omitted", done.stdout)
        self.assertLess(len(done.stdout), 1100)
        info = done.stdout_info
        self.assertTrue(info.truncated)
        self.assertEqual(info.omitted_bytes + info.stored_bytes, info.bytes)

    def test_waiting_lets_other_threads_run(self) -> None:
        pyro = self.pyro()
        counted = 0
        results: list[VmExec] = []

        def run() -> None:
            results.append(pyro.run_in_vm(ENVIRONMENT, "sleep 1", timeout_seconds=MINUTES))

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            counted += 1
            time.sleep(0.01)
        # The command alone takes a second, in which a thread that is let run counts to about a hundred.
        self.assertGreater(counted, 10)
        self.assertEqual(results[0].exit_code, 0)

    def test_a_vm_may_be_made_ahead_of_its_command(self) -> None:
        pyro = self.pyro()
        made = pyro.create_vm(ENVIRONMENT, mem_mib=512)
        self.assertShape(made)
        self.assertEqual((made.state, made.mem_mib), ("created", 512))
        started = pyro.start_vm(made.vm_id)
        self.assertEqual(started.state, "started")
        self.assertShape(pyro.network_info_vm(made.vm_id))
        done = pyro.exec_vm(made.vm_id, "cat", stdin=b"in", timeout_seconds=MINUTES)
        self.assertShape(done)
        self.assertEqual(done.stdout, "in")
        with self.assertRaises(PyroError) as caught:
            pyro.status_vm(made.vm_id)
        self.assertEqual(caught.exception.code, "vm-not-found")
        self.assertShape(pyro.reap_expired())

    def test_a_vm_of_a_session_is_gone_afterwards(self) -> None:
        pyro = self.pyro()
        with self.assertRaises(ZeroDivisionError), pyro.vm_session(ENVIRONMENT) as vm:
            self.assertEqual(vm.state, "started")
            1 / 0
        with pyro.vm_session(ENVIRONMENT) as vm:
            self.assertEqual(pyro.exec_vm(vm.vm_id, "echo a", timeout_seconds=MINUTES).stdout, "a\n")
        self.assertNoVm()


class _Zeros(io.RawIOBase):
    """A file without end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        view[:] = bytes(len(view))
        return len(view)
