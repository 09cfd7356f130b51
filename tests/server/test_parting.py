"""Clients that go away in the middle, say no more, or do not listen: nobody else pays for it."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest
from fastapi import FastAPI
from tests.fakes.clock import until
from tests.proofs.load import ticks
from tests.server.wire import Wire, application, ask, head, post

from assistance.sandbox.fake import reset
from assistance.server.server import serve

UNREAD_SECONDS = 1.0


async def test_a_client_that_is_gone_before_it_has_said_all_is_no_failure_of_ours(told: Any):
    """Reset in the middle of a body: no 500 is counted, no error is logged, and the place at the gate is free."""
    counted: list[int | None] = []
    async with serve(application(max_concurrency=1, on_answer=counted.append)) as url:
        wire = await Wire.open(url)
        await wire.send(head("/echo", "POST", "Content-Length: 100") + b"half")
        await until_taken(url)
        reset(wire.writer.transport)
        await until(lambda: None in counted)
        assert (await ask(url, head())).status == 200
    lines = [line for line in told() if line["logger"] == "assistance.http" and line.get("route") == "/echo"]
    assert [(line["event"], line["status"], line["level"]) for line in lines] == [("request", None, "info")]
    assert 500 not in counted


async def until_taken(url: str) -> None:
    """Return when the only place is taken."""
    while (await ask(url, head())).status != 503:
        pass


@pytest.mark.parametrize("times", [1, 2])
async def test_whoever_says_no_more_still_hears_the_answer(times: int):
    """A client may close its direction once it has asked, also for several things; the last answer ends it."""
    app, release = application(), asyncio.Event()
    inside = held(app, release)
    async with serve(app) as url:
        wire = await Wire.open(url)
        await wire.send(post(b"1", target="/held") * times)
        wire.writer.write_eof()
        await until(lambda: inside)
        # The end of what is said is on its way behind it, and there before this.
        assert (await ask(url, head())).status == 200
        release.set()
        assert [(await wire.answer()).body for _ in range(times)] == [b'"done"'] * times
        assert await wire.closed()
        await wire.close()


async def test_half_a_request_and_no_more_is_not_waited_for():
    """What can never be answered is closed at once."""
    async with serve(application()) as url:
        for half in (b"GET /pla", head("/echo", "POST", "Content-Length: 100") + b"half"):
            wire = await Wire.open(url)
            await wire.send(half)
            wire.writer.write_eof()
            assert await asyncio.wait_for(wire.closed(), 5)
            await wire.close()


def held(app: FastAPI, release: asyncio.Event) -> list[bool]:
    """A route that answers when it may; the list grows with everybody who is inside."""
    inside: list[bool] = []

    @app.post("/held")
    async def hold() -> str:
        inside.append(True)
        await release.wait()
        return "done"

    return inside


async def test_a_client_that_does_not_read_loses_its_place():
    """It asks for more than the connection holds and reads nothing: it is cut off, and the next one is served."""
    app = application(max_concurrency=1)
    large(app)
    async with serve(app, unread_seconds=UNREAD_SECONDS) as url:
        deaf = await unread(url, 100)
        await until_taken(url)
        async with asyncio.timeout(10):
            while (await ask(url, head())).status != 200:
                pass
        assert await ended(deaf) < 100 * 100_000


async def test_a_client_that_reads_slowly_is_heard_out():
    """As long as it reads on it gets all of it, however much longer than the limit that takes."""
    app = application()
    large(app)
    async with serve(app, unread_seconds=UNREAD_SECONDS) as url:
        slow = await unread(url, 60)
        read = 0
        async for _ in ticks(30, 2 * UNREAD_SECONDS):
            read += len(await asyncio.to_thread(slow.recv, 60_000))
        while read < 60 * 100_000:
            more = await asyncio.to_thread(slow.recv, 1 << 20)
            assert more, "cut off"
            read += len(more)
        slow.close()


def large(app: FastAPI) -> None:
    """A route with 100,000 bytes to say."""

    @app.get("/large")
    async def say() -> str:
        return "x" * 99_998


async def unread(url: str, times: int) -> socket.socket:
    """A connection that has asked so often for what is large."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    plain = socket.create_connection((host, int(port)))
    await asyncio.to_thread(plain.sendall, head("/large") * times)
    return plain


async def ended(plain: socket.socket) -> int:
    """The bytes that were still there to be read once the other side has cut it off."""
    read = 0
    with plain, suppress(ConnectionResetError):
        plain.settimeout(10)
        while more := await asyncio.to_thread(plain.recv, 1 << 20):
            read += len(more)
    return read
