"""New connections are taken in as many at a time as have come."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from itertools import islice

import structlog

_log = structlog.get_logger("assistance.http")

_AT_ONCE = 256
"""Connections taken in one turn of the event loop."""
_PAUSE = 1.0
"""Seconds for which nobody is let in when the system gives no more file descriptors or memory."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Reception:
    """Accepts connections on `listener`, from `open` to `close`, and gives each to a protocol of its own.

    uvloop's own server accepts one connection a turn of the loop (https://github.com/libuv/libuv/pull/3696). With many
    turns to wait for, those who come at the same moment stand in the system's queue, where nobody is told that it is
    too much, and from which the system drops those who are more than it holds.
    """

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol], *, pause: float = _PAUSE
    ) -> None:
        """`listener` does not block; `pause` is how long nobody is let in when nobody can be."""
        self._listener = listener
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._seconds = pause
        self._pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Let them in."""
        self._pause = None
        self._loop.add_reader(self._listener, self._come)

    async def close(self) -> None:
        """Close the listener. Returns when everybody is in whom the system had connected by then."""
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        # At one go: whoever comes between the two would be reset.
        for client in _queueing(self._listener):
            self._take(client)
        self._listener.close()
        if self._opening:
            await asyncio.wait(self._opening)

    def _come(self) -> None:
        try:
            for client in islice(_queueing(self._listener), _AT_ONCE):
                self._take(client)
        except OSError as error:
            _log.error("no_more_connections", error=errno.errorcode.get(error.errno or 0))
            self._loop.remove_reader(self._listener)
            self._pause = self._loop.call_later(self._seconds, self.open)

    def _take(self, client: socket.socket) -> None:
        task = self._loop.create_task(self._connect(client), name="connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, client)
        except OSError:
            client.close()  # It has left already.


def _queueing(listener: socket.socket) -> Iterator[socket.socket]:
    """Those who wait to be accepted. Raises OSError when the system cannot give one more."""
    while True:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise
            continue  # Of that one connection: it was gone before it was accepted (accept(2)).
        client.setblocking(False)  # noqa: FBT003 - the standard library's signature
        yield client
