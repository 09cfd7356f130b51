"""What a client may not do before it has sent a whole header, by raw bytes."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from tests.fakes.clock import until
from tests.server.wire import Wire, application, ask, head, held, post

from assistance.server.protocol import TimeLimits
from assistance.server.server import serve

HEADER_SECONDS = 0.3
PATIENT = 20.0
"""No header of a test that is not about the deadline meets it, however busy the machine is."""


@pytest.fixture
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    seconds = HEADER_SECONDS if request.node.get_closest_marker("alone") else PATIENT
    async with serve(application(), limits=TimeLimits(header=seconds)) as url:
        wire = await Wire.open(url)
        yield wire
        await wire.close()


async def test_a_header_without_end_is_a_431_while_it_arrives(wire: Wire):
    """The refusal comes after 16 KB, not after the end that never comes, and later bytes are thrown away."""
    await wire.send(b"GET /plain HTTP/1.1\r\nHost: h\r\nX-Request-ID: big-1\r\nX-A: " + b"a" * 17_000)
    answer = await wire.answer()
    assert (answer.status, answer.problem["type"]) == (431, "/problems/header-too-large")
    assert answer.headers["x-request-id"] == "big-1"
    await wire.send(b"a" * 100_000)
    assert await wire.closed()


async def test_a_very_long_request_line_is_a_431(wire: Wire):
    """The target counts as header too."""
    await wire.send(b"GET /" + b"a" * 20_000)
    assert (await wire.answer()).status == 431


@pytest.mark.parametrize(
    "garbage",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
        b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked, identity\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_400_problem_with_an_id(wire: Wire, garbage: bytes):
    """Garbage gets a problem document with a request id of its own, and the connection is closed."""
    await wire.send(garbage)
    answer = await wire.answer()
    assert (answer.status, answer.problem["type"]) == (400, "/problems/malformed-request")
    assert answer.headers["connection"] == "close"
    assert UUID(answer.headers["x-request-id"]).version == 7
    assert await wire.closed()


async def test_an_unknown_method_is_not_called_another_version(wire: Wire):
    """The parser cannot distinguish one from garbage, so the sentence names both."""
    await wire.send(head("/plain", "FOO"))
    answer = await wire.answer()
    assert (answer.status, answer.problem["detail"]) == (400, "This is not HTTP/1.1, or its method is not known here.")


@pytest.mark.parametrize(
    ("coding", "body"), [("chunked", b"5\r\nhello\r\nnonsense\r\n"), ("gzip", b"hello"), ("identity", b"hello")]
)
async def test_a_body_that_cannot_be_read_is_a_400(wire: Wire, coding: str, body: bytes):
    """A bad chunk, or an unsupported coding, is answered once, although the request was under way."""
    await wire.send(head("/echo", "POST", f"Transfer-Encoding: {coding}") + body)
    answer = await wire.answer()
    assert (answer.status, answer.problem["type"]) == (400, "/problems/malformed-request")
    assert await wire.closed()


async def test_garbage_within_a_body_never_ends_in_two_answers(wire: Wire):
    """A request that was answered before its body was whole gets no second answer for it."""
    await wire.send(head("/plain", "POST", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    assert (await wire.answer()).status == 405
    await wire.send(b"nonsense\r\n")
    assert await wire.closed()


async def test_garbage_after_a_complete_request_does_not_replace_its_answer(wire: Wire):
    """The application has the body and may have stored it: its answer is sent, and then the connection is closed."""
    await wire.send(head("/echo", "POST", "Content-Length: 2") + b"hi" + b"nonsense\r\n\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"hi", "close")
    assert await wire.closed()


async def test_half_a_header_does_not_cost_the_answer_to_the_request_before_it():
    """The header's deadline passes while the first answer is being made: it is sent, and the connection is closed."""
    app, release = application(), asyncio.Event()
    inside = held(app, release)
    async with serve(app, limits=TimeLimits(header=HEADER_SECONDS)) as url:
        wire = await Wire.open(url)
        await wire.send(post(b"1", target="/held") + b"GET /pl")
        await until(lambda: inside)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.closed(), HEADER_SECONDS * 2)
        release.set()
        answer = await wire.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b'"done"', "close")
        assert await wire.closed()
        await wire.close()


async def test_the_time_of_a_body_does_not_run_while_the_request_before_it_is_under_way():
    """The server itself reads no more then; afterwards the body has its time, and is a 408."""
    app, release = application(), asyncio.Event()
    inside = held(app, release)
    async with serve(app, limits=TimeLimits(body=HEADER_SECONDS)) as url:
        wire = await Wire.open(url)
        await wire.send(post(b"1", target="/held") + head("/echo", "POST", "Content-Length: 9") + b"half")
        await until(lambda: inside)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.closed(), HEADER_SECONDS * 2)
        release.set()
        assert [(await wire.answer()).status for _ in range(2)] == [200, 408]
        assert await wire.closed()
        await wire.close()


async def test_an_answer_that_comes_before_the_body_is_not_lost(wire: Wire):
    """A client that sends megabytes all the same still reads it: the server closes its own direction first."""
    await wire.send(head("/plain", "POST", "Transfer-Encoding: chunked"))
    for _ in range(150):
        await wire.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    assert (await wire.answer()).status == 405
    assert await wire.closed()


async def test_100_continue_is_sent_only_where_the_body_is_read(wire: Wire):
    """`Expect: 100-continue`: the gate refuses from the header alone, else the first read sends the 100."""
    await wire.send(head("/echo", "POST", "Content-Length: 2", "Expect: 100-continue"))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"hi")
    assert (await wire.answer()).body == b"hi"
    await wire.send(head("/echo", "POST", "Content-Length: 2000000", "Expect: 100-continue"))
    assert (await wire.answer()).status == 413
    assert await wire.closed()


async def test_an_upgrade_that_is_not_wanted_is_ignored(wire: Wire, caplog: pytest.LogCaptureFixture):
    """The request is answered as if it had no Upgrade field, and nothing is logged about it."""
    await wire.send(head("/plain", "GET", "Connection: Upgrade", "Upgrade: websocket"))
    assert (await wire.answer()).status == 200
    assert not caplog.records


@pytest.mark.alone
async def test_a_header_that_does_not_end_in_time_is_a_408(wire: Wire):
    """The deadline stands however often a byte arrives."""
    begun = asyncio.get_running_loop().time()
    await wire.send(b"GET /plain HTTP/1.1\r\nHost: h\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.problem["type"]) == (408, "/problems/header-too-slow")
    assert asyncio.get_running_loop().time() - begun == pytest.approx(HEADER_SECONDS, abs=0.2)
    assert await wire.closed()


@pytest.mark.alone
@pytest.mark.parametrize("noise", [b"", b"\r\n"])
async def test_a_connection_that_brings_no_request_is_closed(wire: Wire, noise: bytes):
    """Neither silence nor empty lines keep a connection, and neither is answered."""
    await wire.send(noise)
    assert await wire.closed()


@pytest.mark.alone
async def test_empty_lines_after_an_answer_do_not_keep_a_connection(wire: Wire):
    """Bytes that begin no request end the keep-alive time, and a deadline takes its place."""
    await wire.send(head())
    assert (await wire.answer()).status == 200
    await wire.send(b"\r\n")
    assert await wire.closed()


@pytest.mark.alone
async def test_a_second_request_has_a_deadline_of_its_own(wire: Wire):
    """On a connection that is kept, a header that stops half-way is a 408 as well."""
    await wire.send(head() + b"GET /pl")
    assert (await wire.answer()).status == 200
    assert (await wire.answer()).status == 408


@pytest.mark.alone
async def test_a_connection_rests_between_two_requests(wire: Wire):
    """The deadline of a header does not run while no header is due."""
    await wire.send(head())
    assert (await wire.answer()).status == 200
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.closed(), HEADER_SECONDS * 2)
    await wire.send(head())
    assert (await wire.answer()).status == 200


async def test_a_header_in_many_pieces_is_read(wire: Wire):
    """A slow client that keeps the deadline is served as any other."""
    for byte in head():
        await wire.send(bytes([byte]))
    assert (await wire.answer()).status == 200


async def test_a_trailer_adds_nothing_to_the_header(wire: Wire):
    """Fields after a chunked body are dropped: they cannot pass for fields of the header."""
    await wire.send(head("/echo", "POST", "Transfer-Encoding: chunked") + b"2\r\nhi\r\n0\r\nX-Request-ID: late\r\n\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.headers["x-request-id"] != "late"


@pytest.mark.alone
async def test_slow_connections_delay_no_other():
    """With 200 connections that send half a header, others are served at once, and the 200 are closed in time."""
    async with serve(application(), limits=TimeLimits(header=2.0)) as url:
        slow = []
        for _ in range(200):
            # At once: a connection without a byte is closed without an answer.
            wire = await Wire.open(url)
            await wire.send(b"GET /plain HTTP/1.1\r\n")
            slow.append(wire)
        begun = asyncio.get_running_loop().time()
        assert (await ask(url, head())).status == 200
        assert asyncio.get_running_loop().time() - begun < 2.0
        assert {(await wire.answer()).status for wire in slow} == {408}
        for wire in slow:
            await wire.close()
