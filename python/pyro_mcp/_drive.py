"""Follows an operation of the native module to its end, for callers that block and for those that do not."""

from __future__ import annotations

import asyncio
import inspect
import threading
from queue import SimpleQueue
from typing import Any, BinaryIO, Callable

from ._errors import error_of, refused
from ._native import Call, NativeError

_CHUNK_BYTES = 64 * 1024
_ENDS = ("done", "failed", "raised")


class Listeners:
    """What a caller wants to hear while an operation goes on."""

    def __init__(
        self,
        on_output: Callable[[str, bytes], object] | None = None,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        on_listen: Callable[[str], object] | None = None,
    ) -> None:
        self.on_output = on_output
        self.on_progress = on_progress
        self.on_listen = on_listen

    def hear(self, kind: str, content: Any) -> object:
        """Passes on what an operation says; what the caller's function returned may be to be awaited."""
        if kind in ("stdout", "stderr") and self.on_output is not None:
            return self.on_output(kind, content)
        if kind == "progress" and self.on_progress is not None:
            return self.on_progress(content)
        if kind == "listening" and self.on_listen is not None:
            return self.on_listen(content)
        return None


class Feeder(threading.Thread):
    """Reads a file into a command's standard input. It may never end, if the file does not."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(name="pyro-stdin", daemon=True)
        # A pipe is passed on as it comes, not only once it has filled a buffer.
        self._read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        self.call: Call | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        call = self.call
        assert call is not None
        try:
            while chunk := self._read(_CHUNK_BYTES):
                if not isinstance(chunk, (bytes, bytearray, memoryview)):
                    raise refused("stdin", "the file is of text", "open it in binary mode")
                call.feed(bytes(chunk))
        except BrokenPipeError:
            pass  # The command reads no more, as it may.
        except BaseException as error:  # The caller hears of it, on its own thread.
            self.error = error
            call.cancel()
        finally:
            call.end_stdin()


class Operation:
    """An operation that has begun, by a function that takes what is asked of it besides its arguments."""

    def __init__(
        self, begin: Callable[[dict[str, Any]], Call], stdin: Any = None, listeners: Listeners | None = None
    ) -> None:
        listeners = listeners or Listeners()
        feeder = None
        whole = None
        if isinstance(stdin, (bytes, bytearray, memoryview)):
            whole = bytes(stdin)
        elif stdin is not None:
            if not hasattr(stdin, "read"):
                raise refused("stdin", f"it must be bytes or a binary file, got {type(stdin).__name__}")
            feeder = Feeder(stdin)
        manner = {
            "wants_output": listeners.on_output is not None,
            "wants_progress": listeners.on_progress is not None,
            "stdin": whole,
            "feeds_stdin": feeder is not None,
        }
        try:
            self._call = begin(manner)
        except NativeError as error:
            raise error_of(error.args[0]) from None
        self._listeners = listeners
        self._feeder = feeder
        self._failure: BaseException | None = None
        if feeder is not None:
            feeder.call = self._call
            feeder.start()

    def wait(self) -> Any:
        """Waits for the end. An exception meanwhile, as by Ctrl-C, cancels it first; a second one does not wait."""
        inbox: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        is_asked = False
        while True:
            try:
                if not is_asked:
                    self._call.next(inbox.put)
                    is_asked = True
                kind, content = inbox.get()
                is_asked = False
                if self._failure is None:
                    self._listeners.hear(kind, content)
            except BaseException as error:
                self._cancelled_by(error)
                is_asked = False
                continue
            if kind in _ENDS:
                return self._end(kind, content)

    async def wait_async(self) -> Any:
        """The same without blocking. Cancelling the task cancels the operation."""
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

        def put(event: tuple[str, Any]) -> None:
            loop.call_soon_threadsafe(inbox.put_nowait, event)

        is_asked = False
        while True:
            try:
                if not is_asked:
                    self._call.next(put)
                    is_asked = True
                kind, content = await inbox.get()
                is_asked = False
                if self._failure is None:
                    heard = self._listeners.hear(kind, content)
                    if inspect.isawaitable(heard):
                        await heard
            except BaseException as error:
                self._cancelled_by(error)
                is_asked = False
                continue
            if kind in _ENDS:
                return self._end(kind, content)

    def _cancelled_by(self, error: BaseException) -> None:
        if self._failure is not None:
            self._call.abort()
            raise error
        self._failure = error
        self._call.cancel()

    def _end(self, kind: str, content: Any) -> Any:
        if self._failure is not None:
            raise self._failure
        if self._feeder is not None and self._feeder.error is not None:
            raise self._feeder.error
        if kind == "failed":
            raise error_of(content)
        if kind == "raised":
            raise content
        return content
