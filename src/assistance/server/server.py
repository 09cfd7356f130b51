"""The HTTP server inside of our process, which owns its own signals."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from assistance.model import Clock, SystemClock
from assistance.server.protocol import HEADER_SECONDS, UNREAD_SECONDS, GuardedProtocol
from assistance.server.reception import Reception

# Longer than the 60 s for which the usual proxies keep a connection: the one who sends should be the one who closes.
_KEEP_ALIVE_SECONDS = 65
_BACKLOG = 2048
_LAST_CALL_LOOKS = 100
"""Of 10 ms each, for which a connection may bring what it was opened for, once no new ones are accepted."""


class HttpServer:
    """Serves an application on a socket, from `start` to `stop`.

    To leave without losing a request: `retire`, which lets clients go one by one while all are still served; some
    seconds later `stop`.

    Args:
        app: what answers. Its lifespan is not run: who builds it starts and stops its parts.
        listener: a socket that `listen` has opened; closed by `stop`.
        clock: for the ids of requests that never became one.
        header_seconds: how long a header may take to arrive.
        unread_seconds: how long a client may leave an answer unread that does not fit into the connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        clock: Clock | None = None,
        header_seconds: float = HEADER_SECONDS,
        unread_seconds: float = UNREAD_SECONDS,
    ) -> None:
        """See the class."""
        self._listener = listener
        self._retiring = asyncio.Event()
        protocol = functools.partial(
            GuardedProtocol,
            clock=clock or SystemClock(),
            retiring=self._retiring,
            header_seconds=header_seconds,
            unread_seconds=unread_seconds,
        )
        self._server = _Server(_config(_head_as_get(app), protocol))
        self._reception: Reception | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Return as soon as connections are answered."""
        # Without a socket: who accepts connections is ours.
        self._task = asyncio.create_task(self._server.serve(sockets=[]), name="http-server")
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            await self._task
            return
        self._reception = Reception(self._listener, self._server.protocol)
        self._reception.open()

    def retire(self) -> None:
        """From now on each answer closes its connection; new connections are still served."""
        self._retiring.set()

    async def stop(self, drain: float = 15.0) -> None:
        """Accept nothing more, finish what is under way for `drain` seconds at most, and return."""
        if self._task is None:
            return
        self.retire()
        if self._reception is not None:
            await self._reception.close()
            await self._server.last_call()
        self._server.config.timeout_graceful_shutdown = cast("int", drain)
        self._server.leave()
        await self._task
        self._task = None


def listen(host: str, port: int) -> socket.socket:
    """Open a socket to listen on; port 0 takes any free one.

    Raises:
        OSError: the address is taken, or not ours.
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


def _head_as_get(app: ASGIApp) -> ASGIApp:
    """`app`, to which HEAD is GET (RFC 9110, section 9.3.2): uvicorn knows better and withholds the content."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        head = scope["type"] == "http" and scope["method"] == "HEAD"
        await app({**scope, "method": "GET"} if head else scope, receive, send)

    return answer


class _Server(uvicorn.Server):
    """Uvicorn's server without its hold on the process's signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        self.should_exit = True
        self._leaving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def last_call(self) -> None:
        """Hear out who is in: a connection with a request in it is never reset."""
        for _ in range(_LAST_CALL_LOOKS):
            if not any(self._expected()):
                break
            await asyncio.sleep(0.01)

    def protocol(self) -> asyncio.Protocol:
        """What a new connection speaks."""
        state = self.server_state
        return self.config.http_protocol_class(config=self.config, server_state=state, app_state={})  # type: ignore[call-arg]

    def _expected(self) -> Iterator[bool]:
        for connection in self.server_state.connections:
            yield isinstance(connection, GuardedProtocol) and connection.expected

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        # The tick renews the Date field; uvicorn's own loop wakes ten times as often, and looks that late for the end.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 1.0)


def _config(app: ASGIApp, protocol: functools.partial[GuardedProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        lifespan="off",
        interface="asgi3",
        workers=1,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
        # Who stands behind a proxy is our own question: see `addresses`.
        proxy_headers=False,
        # Each request begins with an empty context, not with what the one before it left.
        reset_contextvars=True,
    )
