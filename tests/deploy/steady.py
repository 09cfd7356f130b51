"""A load at a steady rate over TLS with little work for each call, to leave the processor to the service."""

import asyncio
import json
import re
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_TICK = 0.005


class Steady:
    """Posts one body `rate` times a second over a few connections, without waiting for answers.

    Calls without a free connection wait, as many as one second has at most: a machine that is too slow sends fewer,
    so check `rate`. `statuses` counts the answers, and calls without an answer by the kind of error.
    """

    def __init__(self, url: str, trust: ssl.SSLContext, bearer: str, body: Any, connections: int = 48) -> None:
        parts = urlsplit(f"{url}/assistance")
        self._where = parts.hostname or "", parts.port or 443
        self._trust = trust
        self._request = _request(parts.path, parts.netloc, bearer, json.dumps(body).encode())
        self._size = connections
        self._free: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._owed = 0
        self._under_way = 0
        self._ending = False
        self._news = asyncio.Event()
        self.statuses: Counter[int | str] = Counter()
        self.rate = 0.0

    @asynccontextmanager
    async def asking(self, rate: float) -> AsyncIterator[None]:
        """Send within the block; at its end all answers are there, and `rate` is how many came a second."""
        await asyncio.gather(*(self._connect() for _ in range(self._size)))
        loop, before = asyncio.get_running_loop(), self.statuses.total()
        began = loop.time()
        self._tick(rate, began, 0)
        try:
            yield
        finally:
            self._ticking.cancel()
            self.rate = (self.statuses.total() - before) / (loop.time() - began)
            await self._end()

    async def reached(self, more: int) -> None:
        """Return once that many more answers came."""
        wanted = self.statuses.total() + more
        await self._when(lambda: self.statuses.total() >= wanted)

    def _tick(self, rate: float, began: float, sent: int) -> None:
        loop = asyncio.get_running_loop()
        due = int((loop.time() - began) * rate)
        self._owed = min(self._owed + due - sent, int(rate))
        self._send()
        self._ticking = loop.call_later(_TICK, self._tick, rate, began, due)

    def _send(self) -> None:
        while self._owed and self._free:
            self._owed -= 1
            self._under_way += 1
            self._free.popleft().ask(self._request)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), *self._where, ssl=self._trust)
        except OSError as error:
            self.statuses[type(error).__name__] += 1
            return
        self._open.add(connection)
        self._free.append(connection)

    async def _when(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    def answered(self, connection: "_Connection", status: int, *, last: bool) -> None:
        self.statuses[status] += 1
        self._under_way -= 1
        self._news.set()
        if last:
            connection.transport.close()
        else:
            self._free.append(connection)
        self._send()

    def lost(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        if connection.waiting:
            self._under_way -= 1
            self.statuses["lost"] += 1
            self._news.set()
        if not self._ending:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _end(self) -> None:
        self._ending, self._owed = True, 0
        await self._when(lambda: not self._under_way)
        for connection in list(self._open):
            connection.transport.close()


class _Connection(asyncio.Protocol):
    """One connection; one call at a time."""

    transport: asyncio.Transport

    def __init__(self, load: Steady) -> None:
        self._load = load
        self._heard = b""
        self.waiting = False

    def ask(self, request: bytes) -> None:
        self.waiting = True
        self.transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head + b"\r\n")
        assert length is not None, head
        if len(body) >= int(length[1]):
            self._heard, self.waiting = b"", False
            last = _CLOSE.search(head + b"\r\n") is not None
            self._load.answered(self, int(head.split(b" ", 2)[1]), last=last)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._load.lost(self)


def _request(path: str, host: str, bearer: str, body: bytes) -> bytes:
    fields: Mapping[str, str | int] = {
        "Host": host,
        "Authorization": f"Bearer {bearer}",
        "Content-Type": "application/json",
        "Content-Length": len(body),
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body
