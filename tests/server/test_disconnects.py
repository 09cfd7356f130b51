"""Clients that disconnect, close their direction, or do not read: no other client is slower for it."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest
from fastapi import FastAPI
from tests.fakes.clock import until
from tests.proofs.load import ticks
from tests.server.wire import Wire, application, ask, head, held, post

from assistance.sandbox.fake import reset
from assistance.server.protocol import TimeLimits
from assistance.server.server import serve

UNREAD_SECONDS = 1.0


async def test_a_reset_in_the_middle_of_a_body_is_no_failure(logged: Any):
    """No 500 is counted, no error is logged, and the slot of the gate is free."""
    counted: list[int | None] = []
    async with serve(application(max_concurrency=1, on_answer=counted.append)) as url:
        wire = await Wire.open(url)
        await wire.send(head("/echo", "POST", "Content-Length: 100") + b"half")
        await until_busy(url)
        reset(wire.writer.transport)
        await until(lambda: None in counted)
        assert (await ask(url, head())).status == 200
    lines = [line for line in logged() if line["logger"] == "assistance.http" and line.get("route") == "/echo"]
    assert [(line["event"], line["status"], line["level"]) for line in lines] == [("request", None, "info")]
    assert 500 not in counted


async def until_busy(url: str) -> None:
    """Return when the only slot is occupied."""
    while (await ask(url, head())).status != 503:
        pass


@pytest.mark.parametrize("times", [1, 2])
async def test_a_client_that_closes_its_direction_still_gets_the_answer(times: int):
    """After one complete request, or several; the last answer closes the connection."""
    app, release = application(), asyncio.Event()
    inside = held(app, release)
    async with serve(app) as url:
        wire = await Wire.open(url)
        await wire.send(post(b"1", target="/held") * times)
        wire.writer.write_eof()
        await until(lambda: inside)
        # The FIN was sent before this request, so it is there before its answer.
        assert (await ask(url, head())).status == 200
        release.set()
        assert [(await wire.answer()).body for _ in range(times)] == [b'"done"'] * times
        assert await wire.closed()
        await wire.close()


async def test_half_a_request_and_a_closed_direction_end_the_connection():
    """What can never be answered is closed at once."""
    async with serve(application()) as url:
        for half in (b"GET /pla", head("/echo", "POST", "Content-Length: 100") + b"half"):
            wire = await Wire.open(url)
            await wire.send(half)
            wire.writer.write_eof()
            assert await asyncio.wait_for(wire.closed(), 5)
            await wire.close()


async def test_a_client_that_does_not_read_is_cut_off():
    """More is owed to it than fits into the connection: it is closed, and the next client is served."""
    app = application(max_concurrency=1)
    large(app)
    async with serve(app, limits=TimeLimits(unread=UNREAD_SECONDS)) as url:
        silent = await unread(url, 100)
        await until_busy(url)
        async with asyncio.timeout(10):
            while (await ask(url, head())).status != 200:
                pass
        assert await ended(silent) < 100 * 100_000


async def test_a_client_that_reads_slowly_gets_everything():
    """As long as it reads on, however much longer than the limit that takes."""
    app = application()
    large(app)
    async with serve(app, limits=TimeLimits(unread=UNREAD_SECONDS)) as url:
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
    """A route that answers with 100,000 bytes."""

    @app.get("/large")
    async def answer() -> str:
        return "x" * 99_998


async def unread(url: str, times: int) -> socket.socket:
    """A connection with so many requests for `/large`."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    plain = socket.create_connection((host, int(port)))
    await asyncio.to_thread(plain.sendall, head("/large") * times)
    return plain


async def ended(plain: socket.socket) -> int:
    """The bytes that could still be read after the server had closed."""
    read = 0
    with plain, suppress(ConnectionResetError):
        plain.settimeout(10)
        while more := await asyncio.to_thread(plain.recv, 1 << 20):
            read += len(more)
    return read
