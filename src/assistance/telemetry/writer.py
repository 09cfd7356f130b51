"""Lines out of the process without ever holding up the one who writes them."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

_CAPACITY = 8 * 1024 * 1024
_GATHER = 0.02


class LineWriter:
    """Keeps lines in memory and writes them to a file descriptor in a thread of its own.

    A line that finds the thread idle goes out at once; those that follow within 20 milliseconds go together.
    When the other end does not read (a full pipe), lines are dropped as soon as `capacity` bytes wait, and counted.

    Args:
        fd: where to write; it stays open.
        on_loss: makes the line that tells, once there is room again, how many were dropped.
        capacity: bytes that may wait.
    """

    def __init__(self, fd: int, *, on_loss: Callable[[int], bytes], capacity: int = _CAPACITY) -> None:
        """See the class."""
        self._fd = fd
        self._on_loss = on_loss
        self._capacity = capacity
        # Re-entrant: a finalizer that logs may run in the very thread that is inside `write`.
        self._changed = threading.Condition(threading.RLock())
        self._lines: list[bytes] = []
        self._held = 0
        self._untold = 0
        self._closed = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take one line, line feed included. Never waits, never raises."""
        with self._changed:
            if self._closed:
                self._out(line)
            elif self._held + len(line) > self._capacity:
                self.dropped += 1
                self._untold += 1
            else:
                if self._untold:
                    line, self._untold = self._on_loss(self._untold) + line, 0
                self._lines.append(line)
                self._held += len(line)
                if len(self._lines) == 1:
                    self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until nothing is held; whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held == 0, timeout)

    def close(self, timeout: float) -> None:
        """Write what is held, for `timeout` seconds at most; a line that comes later is written where it is said."""
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
                self._held -= len(block)
                self._changed.notify_all()
            # A wake-up for each line would cost the event loop more than the line itself.
            if not self._closed:
                time.sleep(_GATHER)

    def _out(self, block: bytes) -> None:
        rest = memoryview(block)
        # Nobody can be told that standard output is gone: the lines are lost, the service goes on.
        with contextlib.suppress(OSError):
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:
                    self._wait_for_room()

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        room.poll(1000)
