"""Log lines, written by a thread of their own: a caller that logs never waits for the reader of standard output."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

_CAPACITY = 8 * 1024 * 1024
_GATHER = 0.02


class LineWriter:
    """Buffers lines in memory and writes them to a file descriptor.

    A line that finds the thread idle is written at once; those that follow within 20 milliseconds are written together.
    When the pipe is full, lines are dropped as soon as 8 MiB are buffered, and counted.

    Args:
        fd: where to write; it stays open.
        on_loss: makes the line that says, once there is room again, how many were dropped.
    """

    def __init__(self, fd: int, *, on_loss: Callable[[int], bytes]) -> None:
        self._fd = fd
        self._on_loss = on_loss
        # Deadlock: a finalizer that logs may run in the thread that is inside `write`, so the lock is re-entrant.
        self._changed = threading.Condition(threading.RLock())
        self._lines: list[bytes] = []
        self._buffered = 0
        self._unreported = 0
        self._closed = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take one line, line feed included. Never waits, never raises."""
        with self._changed:
            if self._closed:
                self._out(line)
            elif self._buffered + len(line) > _CAPACITY:
                self.dropped += 1
                self._unreported += 1
            else:
                if self._unreported:
                    line, self._unreported = self._on_loss(self._unreported) + line, 0
                self._lines.append(line)
                self._buffered += len(line)
                if len(self._lines) == 1:
                    self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until everything is written; whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: self._buffered == 0, timeout)

    def close(self, timeout: float) -> None:
        """Write what is buffered, for `timeout` seconds at most; a later line is written by the thread that logs it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed)
                batch, self._lines = self._lines, []
            if not batch:
                return
            block = b"".join(batch)
            self._out(block)
            with self._changed:
                self._buffered -= len(block)
                self._changed.notify_all()
            # Interpreter lock (GIL): waking for each line would cost the event loop more than the line itself.
            if not self._closed:
                time.sleep(_GATHER)

    def _out(self, block: bytes) -> None:
        rest = memoryview(block)
        # When standard output is gone the lines are lost and the service goes on: there is nowhere to report it.
        with contextlib.suppress(OSError):
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:
                    room = select.poll()
                    room.register(self._fd, select.POLLOUT)
                    room.poll(1000)
