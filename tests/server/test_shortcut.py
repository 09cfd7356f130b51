"""The bot's one call goes past the router: the limits for bodies hold on that way too."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import Request, Response
from tests.fakes.clock import until
from tests.server.wire import Wire, application, ask, head, post

from assistance.model import SystemClock
from assistance.server.envelope import Envelope, ShortCut
from assistance.server.protocol import TimeLimits
from assistance.server.server import serve


async def echo(request: Request) -> Response:
    return Response(await request.body())


def short_cut(counted: list[int | None] | None = None) -> Envelope:
    """The layers as a bot's call goes through them, with an endpoint that gives the body back."""
    return Envelope(
        application(),
        SystemClock(),
        max_concurrency=100,
        short_cut=ShortCut("/short", echo),
        on_answer=(counted if counted is not None else []).append,
    )


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve(short_cut()) as url:
        yield url


async def test_a_body_in_pieces_arrives_whole(url: str):
    """Whether it comes with its head or later."""
    assert (await ask(url, post(b"at once", target="/short"))).body == b"at once"
    wire = await Wire.open(url)
    await wire.send(head("/short", "POST", "Content-Length: 6") + b"two")
    assert (await ask(url, head())).status == 200
    await wire.send(b" go")
    assert (await wire.answer()).body == b"two go"
    await wire.close()


async def test_a_chunked_body_is_counted(url: str):
    """192 KB in chunks arrive whole; one byte more is a 413, also for a client that goes on sending."""
    start = head("/short", "POST", "Transfer-Encoding: chunked")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    exact = await ask(url, start + chunk * 12 + b"0\r\n\r\n")
    assert (exact.status, len(exact.body)) == (200, 196_608)
    for more in (b"1\r\nx\r\n", chunk * 150):
        above = await ask(url, start + chunk * 12 + more + b"0\r\n\r\n")
        assert (above.status, above.problem["type"]) == (413, "/problems/body-too-large")


async def test_a_body_that_does_not_come_is_a_408():
    """The deadline counts from the end of the header."""
    async with serve(short_cut(), limits=TimeLimits(body=0.2)) as url:
        answer = await asyncio.wait_for(ask(url, head("/short", "POST", "Content-Length: 10") + b"abc"), 5)
    assert (answer.status, answer.problem["type"]) == (408, "/problems/body-too-slow")
    assert answer.headers["connection"] == "close"


async def test_a_client_that_leaves_before_its_body_is_whole_is_no_failure():
    """It is counted as not answered, not as a 500."""
    counted: list[int | None] = []
    async with serve(short_cut(counted)) as url:
        wire = await Wire.open(url)
        await wire.send(head("/short", "POST", "Content-Length: 10") + b"abc")
        assert (await ask(url, head())).status == 200
        wire.writer.transport.abort()
        await until(lambda: None in counted)
    assert 500 not in counted
