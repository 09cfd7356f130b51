"""A TCP proxy on loopback that delays, cuts, stalls or loses what passes through it, as networks do."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from assistance.model import SystemClock
from assistance.sandbox.fake import reset

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Ends]]
Direction = Literal["requests", "answers"]

_CHUNK = 65_536
_CLOCK = SystemClock()


@dataclass(frozen=True)
class Toxic:
    """What happens to the bytes of one direction.

    They are forwarded after `delay`, a range in seconds, in `pieces` of at most that many bytes; not at all while it is
    `silent`. After `reset_after` bytes both ends of a connection are reset; after `end_after` bytes this direction is
    closed and the other stays open.
    """

    delay: tuple[float, float] = (0.0, 0.0)
    pieces: int | None = None
    silent: bool = False
    reset_after: int | None = None
    end_after: int | None = None


WELL = Toxic()


@dataclass(eq=False)
class _Link:
    """Two connections joined to one. `lost`: nothing passes any more, and neither end gets an error."""

    client: Ends
    server: Ends
    lost: bool = False
    held: bool = False
    passed: dict[Direction, int] = field(default_factory=lambda: {"requests": 0, "answers": 0})


def to(host: str, port: int) -> Connect:
    """A TCP server as the proxy's target."""
    return lambda: asyncio.open_connection(host, port)


class ToxicProxy:
    """`async with ToxicProxy(to(host, port)) as between: between.port`; without toxics at first."""

    def __init__(self, connect: Connect, rng: random.Random | None = None) -> None:
        self.port = 0
        self._connect = connect
        self._rng = rng or random.Random(0)
        self._toxics: dict[Direction, Toxic] = {"requests": WELL, "answers": WELL}
        self._changed = asyncio.Event()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    def spoil(self, *, requests: Toxic = WELL, answers: Toxic = WELL) -> None:
        """Set the toxics from now on, for open and for new connections."""
        self._toxics = {"requests": requests, "answers": answers}
        self._changed.set()
        self._changed = asyncio.Event()

    def heal(self, *, forget: bool = False) -> None:
        """Remove the toxics and forward what waits; `forget`: connections with waiting bytes stay silent for ever.

        As behind a firewall that has lost its table of connections, or at a server that hangs and is replaced.
        """
        for link in self._links:
            link.lost |= forget and link.held
        self.spoil()

    async def up(self) -> None:
        """Listen (again), on the same port as before."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_CHUNK)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and reset those that are open, until `up`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # reset connections are closed at the loop's next iteration

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.down()

    async def _serve(self, *client: *Ends) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [client]
        try:
            ends.append(await self._connect())
            await self._join(_Link(client, ends[1]))
        except (OSError, asyncio.CancelledError):
            for _, writer in ends:
                reset(writer.transport)
        finally:
            for _, writer in ends:
                writer.close()
            self._tasks.discard(task)

    async def _join(self, link: _Link) -> None:
        self._links.add(link)
        passing = [asyncio.create_task(self._pass(link, direction)) for direction in link.passed]
        try:
            await asyncio.gather(*passing)
        finally:
            for task in passing:
                task.cancel()
            self._links.discard(link)

    async def _pass(self, link: _Link, direction: Direction) -> None:
        reader, writer = (
            (link.client[0], link.server[1]) if direction == "requests" else (link.server[0], link.client[1])
        )
        while data := await reader.read(_CHUNK):
            while data:
                toxic = await self._heard(link, direction)
                piece, data = self._split(toxic, link, direction, data)
                await _CLOCK.sleep(self._rng.uniform(*toxic.delay))
                if not await self._hand_on(toxic, link, direction, piece, writer):
                    return
        with suppress(OSError):
            writer.write_eof()

    async def _heard(self, link: _Link, direction: Direction) -> Toxic:
        """The toxic in force, once bytes may pass."""
        while link.lost or (toxic := self._toxics[direction]).silent:
            link.held = True
            await self._changed.wait()
        link.held = False
        return toxic

    def _split(self, toxic: Toxic, link: _Link, direction: Direction, data: bytes) -> tuple[bytes, bytes]:
        size = min(toxic.pieces or _CHUNK, len(data))
        limit = toxic.reset_after if toxic.reset_after is not None else toxic.end_after
        if limit is not None:
            size = min(size, max(limit - link.passed[direction], 0))
        return data[:size], data[size:]

    async def _hand_on(
        self, toxic: Toxic, link: _Link, direction: Direction, piece: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the direction stays open."""
        link.passed[direction] += len(piece)
        writer.write(piece)
        await writer.drain()
        if toxic.reset_after is not None and link.passed[direction] >= toxic.reset_after:
            raise ConnectionResetError
        if toxic.end_after is not None and link.passed[direction] >= toxic.end_after:
            writer.write_eof()
            return False
        return True
