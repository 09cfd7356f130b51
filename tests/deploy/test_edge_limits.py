"""The edge's limits: sizes, times, rate, versions; what it refuses before it reaches the API."""

import asyncio
import contextlib
import ssl
import warnings
from pathlib import Path

import aiohttp
import pytest
from tests.deploy.edge_process import ASK, Edge, missing, running_edge, session_with

from assistance.model import SystemClock

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"the edge cannot run here, missing: {missing()}"),
    pytest.mark.alone,
]

LIMIT = 192 * 1024
HEAD = b"POST /assistance HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def _body_of(size: int) -> bytes:
    return b'{"description":"' + b"x" * (size - 18) + b'"}'


async def _exchange(edge: Edge, sent: bytes) -> bytes:
    """Send raw bytes; the header of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=edge.trust, server_hostname="localhost")
    writer.write(sent)
    header = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    return header


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413), (193 * 1024, 413)])
async def test_a_body_may_have_192_kilobytes_and_not_one_byte_more(
    edge: Edge, size: int, status: int, *, chunked: bool
) -> None:
    """The limit holds for declared and for chunked bodies, in nginx and in the firewall alike."""
    body = _body_of(size)
    declared = HEAD + b"Content-Length: %d\r\n\r\n" % size + body
    counted = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + body + b"\r\n0\r\n\r\n"
    answer = await _exchange(edge, counted if chunked else declared)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (b"application/problem+json" in answer) == (status == 413)


@pytest.mark.parametrize(("size", "status"), [(8_192, 200), (15_000, 200), (17_500, 431), (40_000, 431)])
async def test_a_header_may_have_16_kilobytes(client: aiohttp.ClientSession, size: int, status: int) -> None:
    """The longest token that the API reads passes; beyond 16 KB the answer is 431."""
    async with client.get("/topics", headers={"Authorization": "Bearer " + "x" * size}) as answer:
        assert answer.status == status


async def test_a_header_of_many_lines_is_limited_as_a_whole(client: aiohttp.ClientSession) -> None:
    """Sixty lines of 400 bytes are refused as one long line is."""
    async with client.get("/topics", headers={f"X-Filler-{n}": "y" * 400 for n in range(60)}) as answer:
        assert answer.status == 431


async def _until_closed(edge: Edge, sent: bytes) -> float:
    """Send `sent` and nothing more; the seconds until the edge closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=edge.trust, server_hostname="localhost")
    began = asyncio.get_running_loop().time()
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass
    writer.transport.abort()
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize(
    "sent", [b"", b"POST /assistance HTTP/1.1\r\nHost: loc", HEAD + b"Content-Length: 100000\r\n\r\n{"]
)
async def test_a_client_that_stops_talking_is_closed(edge: Edge, sent: bytes) -> None:
    """Silence before, within and after the header ends the connection when the time-out (here 1 s) is over."""
    assert 0.5 < await _until_closed(edge, sent) < 3


async def test_a_header_that_drips_is_closed(edge: Edge) -> None:
    """The time-out is for the whole header: single bytes do not prolong it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=edge.trust, server_hostname="localhost")

    async def drip() -> None:
        for byte in HEAD * 20:
            writer.write(bytes([byte]))
            await SystemClock().sleep(0.1)

    dripping = asyncio.create_task(drip())
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), timeout=3)
    dripping.cancel()
    writer.transport.abort()


async def test_slow_clients_cost_the_api_nothing(edge: Edge, client: aiohttp.ClientSession) -> None:
    """While 200 connections have sent half a request, others are served and none of the 200 reached the API."""
    before = len(edge.arrived())
    slow = [
        asyncio.create_task(_until_closed(edge, HEAD + b"Content-Length: 90000\r\n\r\n{" if n % 2 else HEAD[:40]))
        for n in range(200)
    ]
    for _ in range(20):
        async with client.get("/topics") as answer:
            assert answer.status == 200
    assert max(await asyncio.gather(*slow)) < 10
    assert len(edge.arrived()) - before == 20


async def test_too_many_requests_get_429_and_when_to_come_back(tmp_path: Path) -> None:
    """Above rate and burst the edge answers itself, with the contract's headers."""
    with running_edge(tmp_path, EDGE_RATE="1", EDGE_BURST="3") as edge:
        async with session_with(edge) as session:
            answers = [await session.post("/assistance", json=ASK) for _ in range(8)]
        assert [answer.status for answer in answers].count(429) >= 3
        last = answers[-1]
        assert (last.status, last.headers["Retry-After"]) == (429, "1")
        assert last.headers["RateLimit-Policy"] == '"edge";q=1;w=1'


async def test_old_tls_is_refused(edge: Edge) -> None:
    """TLS 1.1 finds no common version; the edge itself speaks 1.3."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # Python warns of the old version
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        await asyncio.open_connection("127.0.0.1", edge.port, ssl=old)
    _, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=edge.trust, server_hostname="localhost")
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.transport.abort()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /assistance/%00 HTTP/1.1", 400),
        (b"GET /../etc/passwd HTTP/1.1", 400),
        (b"GARBAGE", 400),
        (b"GET /topics HTTP/9.9", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", 414),
        (b"TRACE /topics HTTP/1.1", 405),
        (b"CONNECT evil.example:443 HTTP/1.1", 400),
    ],
)
async def test_a_malformed_request_line_is_never_a_500(edge: Edge, line: bytes, status: int) -> None:
    """A request without a usable address gets a 4xx problem document too."""
    answer = await _exchange(edge, line + b"\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in answer


async def test_two_framings_of_one_body_are_refused(edge: Edge) -> None:
    """Content-Length together with Transfer-Encoding, the smuggler's pair, never reaches the API."""
    before = len(edge.arrived())
    answer = await _exchange(edge, HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")
    assert len(edge.arrived()) == before
