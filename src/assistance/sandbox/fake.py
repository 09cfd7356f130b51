"""What the fake Slack and the fake mail server share: an inbox, and faults on demand."""

import asyncio
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

from assistance.model import SystemClock

F = TypeVar("F")
M = TypeVar("M")

CLOCK = SystemClock()
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Inbox(Generic[M]):
    """What has arrived, oldest first: the last `keep` items, and how many there have been."""

    def __init__(self, keep: int) -> None:
        self._items: deque[M] = deque(maxlen=keep)
        self._total = 0
        self._news = asyncio.Event()

    def add(self, item: M) -> None:
        """Append it and wake who waits for it."""
        self._items.append(item)
        self._total += 1
        self._news.set()

    def items(self) -> list[M]:
        """What is kept."""
        return list(self._items)

    async def reached(self, total: int, within: float) -> list[M]:
        """What is kept, once `total` items have arrived since the start. Raises TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while self._total < total:
                self._news.clear()
                await self._news.wait()
        return self.items()


class Fake(ABC, Generic[M, F]):
    """A server on loopback, in this event loop: `async with` starts and stops it.

    It has messages of the type M, the last `keep` of them, and faults of the type F.
    """

    def __init__(self, keep: int) -> None:
        self.port = 0
        self.inbox: Inbox[M] = Inbox(keep)
        self._script: deque[F] = deque()
        self._always: F | None = None
        self._listener: asyncio.Server | None = None

    @abstractmethod
    async def _listen(self) -> asyncio.Server:
        """Listen on 127.0.0.1 and `port`; 0 is any free one."""

    @abstractmethod
    async def _cut(self) -> None:
        """Reset the open connections."""

    @property
    def messages(self) -> list[M]:
        """What was accepted, oldest first."""
        return self.inbox.items()

    async def arrived(self, total: int, within: float = 10.0) -> list[M]:
        """The messages, once `total` have been accepted. Raises TimeoutError after `within` seconds."""
        return await self.inbox.reached(total, within)

    def script(self, *faults: F) -> None:
        """Append `faults`: each spoils one call that it applies to, in this order, before the one of `always`."""
        self._script.extend(faults)

    def always(self, fault: F | None) -> None:
        """From now on use `fault` for every call; None: answer as usual, and drop the script."""
        self._always = fault
        if fault is None:
            self._script.clear()

    def take(self, applies: Callable[[F], bool] = lambda _fault: True) -> F | None:
        """The fault for this call, None where there is none."""
        if self._script:
            return self._script.popleft() if applies(self._script[0]) else None
        return self._always if self._always is not None and applies(self._always) else None

    async def up(self) -> None:
        """Listen (again), on the same port as before."""
        if self._listener is None:
            self._listener = await self._listen()
            self.port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and reset those that are open, until `up`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.down()


async def hang(seconds: float | Literal[True]) -> None:
    """Wait; `True`: until the connection is gone and cancels this."""
    await (asyncio.Event().wait() if seconds is True else asyncio.sleep(seconds))


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Cut the connection with a TCP reset, as a crashed peer does, not with an orderly end."""
    if transport is None:
        return
    plain = transport.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        with duplicate(plain) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    # TLS transports have `abort` too, without being a WriteTransport by type.
    getattr(transport, "abort", transport.close)()


def duplicate(plain: socket.socket) -> socket.socket:
    """A second socket of the same connection: event loops give out one that refuses most calls."""
    return socket.socket(fileno=os.dup(plain.fileno()))
