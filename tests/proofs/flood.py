"""Sends thousands of requests a second, as a separate process, so that the sender is not the bottleneck.

`flood.py PORT REQUEST` reads a `Stretch` as JSON from each line of standard input, sends accordingly, and prints one
line with the outcome. `REQUEST` is sent unchanged.
"""

import asyncio
import json
import re
import sys
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.proofs.clients import come

_TICK = 0.002
_PATIENCE = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """`rate` requests a second; None: as many as `connections` can send that wait for each answer."""

    seconds: float
    connections: int
    rate: float | None = None


@dataclass(slots=True)
class Outcome:
    """The seconds until each answer, by its status; `lost` had none, `unsent` found no free connection.

    `seconds` are those from the first request until the last answer.
    """

    seconds: float = 0.0
    answers: dict[str, list[float]] = field(default_factory=dict)
    lost: int = 0
    unsent: int = 0


class Flood:
    """All connections, and the outcome of the current stretch."""

    def __init__(self, port: int, request: bytes) -> None:
        self.request = request
        self.outcome = Outcome()
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._free: deque[_Connection] = deque()
        self._waiting: set[_Connection] = set()
        self._flat_out = False

    async def run(self, stretch: Stretch) -> Outcome:
        self.outcome = outcome = Outcome()
        while len(self._free) < stretch.connections:
            _, connection = await self._loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            self._free.append(connection)
        began = self._loop.time()
        end = began + stretch.seconds
        if stretch.rate is None:
            await self._as_answered(stretch.connections, end)
        else:
            await self._steadily(stretch.rate, end)
        while self._waiting and self._loop.time() < end + _PATIENCE:
            await come(self._loop.time() + _TICK)
        outcome.lost += len(self._waiting)
        outcome.seconds = self._loop.time() - began
        return outcome

    async def _as_answered(self, connections: int, end: float) -> None:
        self._flat_out = True
        for _ in range(connections):
            self._ask(self._loop.time())
        await come(end)
        self._flat_out = False

    async def _steadily(self, rate: float, end: float) -> None:
        began, sent = self._loop.time(), 0
        while (now := self._loop.time()) < end:
            while sent < (now - began) * rate:
                self._ask(began + sent / rate)
                sent += 1
            await come(now + _TICK)

    def _ask(self, due: float) -> None:
        if not self._free:
            self.outcome.unsent += 1
            return
        connection = self._free.popleft()
        self._waiting.add(connection)
        connection.ask(due)

    def answered(self, connection: "_Connection", status: str, seconds: float) -> None:
        self._waiting.discard(connection)
        self._free.append(connection)
        self.outcome.answers.setdefault(status, []).append(seconds)
        if self._flat_out:
            self._ask(self._loop.time())

    def gone(self, connection: "_Connection") -> None:
        if connection in self._waiting:
            self._waiting.discard(connection)
            self.outcome.lost += 1
        elif connection in self._free:
            self._free.remove(connection)


class _Connection(asyncio.Protocol):
    """A connection for one request at a time."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._transport: Any = None
        self._due = 0.0
        self._come = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self, due: float) -> None:
        self._due = due
        self._transport.write(self._flood.request)

    def data_received(self, data: bytes) -> None:
        self._come += data
        head, end, body = self._come.partition(b"\r\n\r\n")
        if end and (length := _LENGTH.search(head)) and len(body) >= int(length[1]):
            self._come = b""
            seconds = asyncio.get_running_loop().time() - self._due
            self._flood.answered(self, head[9:12].decode(), seconds)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        self._flood.gone(self)


async def main() -> None:
    flood, loop = Flood(int(sys.argv[1]), sys.argv[2].encode()), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        outcome = await flood.run(Stretch(**json.loads(line)))
        print(json.dumps(asdict(outcome)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
