"""The HTTP server inside of our process, which handles its own signals: accepts connections, serves, drains."""

import asyncio
import contextlib
import errno
import functools
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate
from itertools import islice
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from assistance.model import Clock, SystemClock
from assistance.server.protocol import ConnectionState, LimitedProtocol, TimeLimits

# Longer than the 60 s for which the usual proxies keep a connection: the side that sends should be the one that closes.
_KEEP_ALIVE_SECONDS = 65
_BACKLOG = 2048
_ACCEPT_AT_ONCE = 256
"""Connections accepted in one iteration of the event loop."""
_PAUSE = 1.0
"""Seconds without accepting, after the system has run out of file descriptors or memory."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_FIRST_REQUEST_SECONDS = 1.0
"""For a request on a connection that was opened just before the server stops."""
_POLL = 0.01
_log = structlog.get_logger("assistance.http")


class HttpServer:
    """Serves an application on a socket, from `start` to `stop`.

    To stop without losing a request: `retire`, after which all are still served and connections end one by one; some
    seconds later `stop`.

    Args:
        app: what answers. Its lifespan is not run: the caller starts and stops its parts.
        listener: a socket that `listen` has opened; closed by `stop`.
        clock: for the ids of requests that are refused before they reach the application.
        limits: how long a client may take.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, *, clock: Clock | None = None, limits: TimeLimits | None = None
    ) -> None:
        self._listener = listener
        self._state = ConnectionState()
        config, clock, limits = _config(app), clock or SystemClock(), limits or TimeLimits()
        protocol = functools.partial(LimitedProtocol, config, self._state, clock, limits)
        self._acceptor = Acceptor(listener, protocol)
        self._tick: asyncio.TimerHandle | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Accept connections from now on."""
        self._renew_date()
        self._acceptor.open()

    def retire(self) -> None:
        """From now on each answer closes its connection; new connections are still served."""
        self._state.retiring = True

    async def stop(self, drain: float = 15.0) -> None:
        """Accept nothing more, finish what is under way for `drain` seconds at most, and return."""
        if self._tick is None:
            return
        self.retire()
        await self._acceptor.close()
        connections, tasks = self._state.connections, self._state.tasks
        # Reset: a request that is on its way to an open connection would be lost.
        await _while(lambda: any(map(_expects_request, connections)), _FIRST_REQUEST_SECONDS)
        for connection in list(connections):
            connection.shutdown()
        await _while(lambda: bool(connections or tasks), drain)
        for task in tasks:
            task.cancel()
        self._tick.cancel()
        self._tick = None

    def _renew_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._tick = asyncio.get_running_loop().call_later(1.0, self._renew_date)


def _expects_request(connection: object) -> bool:
    return isinstance(connection, LimitedProtocol) and connection.expected


async def _while(condition: Callable[[], bool], seconds: float) -> None:
    """Return when `condition` no longer holds, or after `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while condition():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(_POLL)


class Acceptor:
    """Accepts connections on `listener`, from `open` to `close`, and gives each a protocol of its own.

    uvloop's own server accepts one connection in each iteration of the loop
    (https://github.com/libuv/libuv/pull/3696), so those of a burst wait long in the system's queue, and it drops them
    without a log line when file descriptors run out. Figures: docs/decisions/0001-server.md.
    """

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        """`listener` does not block."""
        self._listener = listener
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Accept."""
        self._loop.add_reader(self._listener, self._accept, _ACCEPT_AT_ONCE)

    async def close(self) -> None:
        """Accept what the system has connected by now, close the listener, and return when all have a protocol."""
        # Reset: a connection that comes between the last accept and the close would be.
        self._accept(None)
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        self._listener.close()
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _accept(self, most: int | None) -> None:
        for client in islice(self._queue(), most):
            task = self._loop.create_task(self._connect(client), name="connection")
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def _queue(self) -> Iterator[socket.socket]:
        """The connections that the system has made, until there is none or no file descriptor for one."""
        while True:
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # Of that one connection: it was gone before it was accepted (accept(2)).
                _log.error("no_more_connections", error=errno.errorcode[error.errno])
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(_PAUSE, self.open)
                return
            client.setblocking(False)  # noqa: FBT003 - the standard library's signature
            yield client

    async def _connect(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, client)
        except OSError:
            client.close()  # The client has closed it already.


def listen(host: str, port: int) -> socket.socket:
    """Open a socket to listen on; port 0 takes any free one.

    Raises:
        OSError: the address is in use, or not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Serve `app` inside of the block, for tests and tools; gives the URL. `options` are those of `HttpServer`."""
    server = HttpServer(app, listen(host, port), **options)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop(drain=1.0)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        log_config=None,
        access_log=False,
        # See `protect` in `api/app.py`: it applies them behind the envelope.
        proxy_headers=False,
        # Each request begins with an empty context, not with what the one before it left.
        reset_contextvars=True,
    )
