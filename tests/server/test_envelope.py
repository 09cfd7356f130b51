"""The layers around the application, each seen from the other end of a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from tests.server.wire import Wire, application, ask, head, post

from assistance.access.limits import address_key
from assistance.server.protocol import TimeLimits
from assistance.server.server import serve


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve(application()) as url:
        yield url


@pytest.mark.parametrize("given", ["r-1", "x" * 128, '~!"{}'])
async def test_a_request_id_is_kept_and_echoed(url: str, given: str):
    """Up to 128 visible ASCII characters come back as they were sent."""
    answer = await ask(url, head("/plain", "GET", f"X-Request-ID: {given}"))
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "\xe9", "a\r\nX-Request-ID: b"])
async def test_any_other_request_id_is_replaced(url: str, given: str):
    """What is empty, too long, invisible, foreign or double gives way to a UUIDv7."""
    answer = await ask(url, head("/plain", "GET", f"X-Request-ID: {given}"))
    assert UUID(answer.headers["x-request-id"]).version == 7


@pytest.mark.parametrize("target", ["/plain", "/plain/"])
async def test_each_path_answers_with_and_without_its_slash(url: str, target: str):
    """Both forms reach the route at once, without a redirect."""
    answer = await ask(url, head(target))
    assert (answer.status, json.loads(answer.body)["path"]) == (200, "/plain")


async def test_two_slashes_are_another_path(url: str):
    """Only one slash is forgiven."""
    assert (await ask(url, head("/plain//"))).status == 404


async def test_a_header_block_above_16_kb_is_a_431(url: str):
    """The sum of the fields counts, and the connection is closed."""
    answer = await ask(url, head("/plain", "GET", *(f"X-{n}: {'a' * 1000}" for n in range(17))))
    assert (answer.status, answer.problem["type"]) == (431, "/problems/header-too-large")
    assert answer.headers["connection"] == "close"
    assert (await ask(url, head("/plain", "GET", f"X-A: {'a' * 15_000}"))).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        head(host=""),
        head("/plain", "GET", "Host: other"),
        head(host="Host: a b"),
        head(host="Host: x@y"),
        head("/echo", "POST", "Content-Length: 1", "Content-Length: 2"),
        head("/echo", "POST", "Content-Length: 1", "Transfer-Encoding: chunked"),
        head("/echo", "POST", "Content-Length: -1"),
    ],
)
async def test_what_two_readers_could_read_in_two_ways_is_a_400(url: str, request_: bytes):
    """Missing, double or senseless Host and Content-Length fields are refused, by the protocol or by the gate."""
    answer = await ask(url, request_)
    assert (answer.status, answer.problem["type"]) == (400, "/problems/malformed-request")


async def test_a_declared_body_above_192_kb_is_a_413_before_it_is_read(url: str):
    """The answer comes although not one byte of the body does."""
    answer = await ask(url, head("/echo", "POST", "Content-Length: 196609"))
    assert (answer.status, answer.problem["type"]) == (413, "/problems/body-too-large")


async def test_a_client_that_sends_all_of_a_large_body_first_still_reads_the_413(url: str):
    """The connection stays until the body has gone by, so that no reset swallows the answer."""
    answer = await ask(url, post(b"x" * 3_000_000))
    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_a_chunked_body_is_counted(url: str):
    """192 KB in chunks arrive whole; one byte more is a 413."""
    start = head("/echo", "POST", "Transfer-Encoding: chunked")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    exact = await ask(url, start + chunk * 12 + b"0\r\n\r\n")
    assert (exact.status, len(exact.body)) == (200, 196_608)
    above = await ask(url, start + chunk * 12 + b"1\r\nx\r\n0\r\n\r\n")
    assert (above.status, above.problem["type"]) == (413, "/problems/body-too-large")


async def test_a_body_that_does_not_come_is_a_408(logged: Any):
    """The deadline counts from the end of the header; the answer is counted and logged once, as any other."""
    counted: list[int | None] = []
    async with serve(application(on_answer=counted.append), limits=TimeLimits(body=0.2)) as url:
        answer = await ask(url, head("/echo", "POST", "Content-Length: 10") + b"abc")
    assert (answer.status, answer.problem["type"]) == (408, "/problems/body-too-slow")
    assert answer.headers["connection"] == "close"
    assert counted == [408]
    assert [(line["route"], line["status"]) for line in logged() if line["event"] == "request"] == [("/echo", 408)]


def holding(app: FastAPI, entered: asyncio.Semaphore, release: asyncio.Event) -> FastAPI:
    @app.get("/hold")
    async def hold() -> None:
        entered.release()
        await release.wait()

    return app


@pytest.mark.parametrize("target", ["/plain", "/nowhere", "/livez"])
async def test_head_is_get_without_content(url: str, target: str):
    """The same status and fields, its length too, and nothing after them."""
    got = await ask(url, head(target))
    wire = await Wire.open(url)
    await wire.send(head(target, "HEAD", "X-Request-ID: h", "Connection: close"))
    raw = (await wire.reader.read()).decode()
    await wire.close()
    assert raw.startswith(f"HTTP/1.1 {got.status} ")
    assert raw.endswith("\r\n\r\n")
    assert raw.count("\r\n\r\n") == 1
    assert ("content-length" in raw.lower()) == ("content-length" in got.headers)


async def test_the_target_counts_as_header(url: str):
    """A query that arrives at once with all the rest is a 431 too, when it is larger than 16 KB."""
    answer = await ask(url, head(f"/plain?q={'a' * 17_000}"))
    assert (answer.status, answer.problem["type"]) == (431, "/problems/header-too-large")


async def test_a_client_that_leaves_is_no_failure(logged: Any):
    """A body that stops half-way because its client has gone is neither a 500 nor an error in the log."""
    answered: list[int | None] = []
    gone = asyncio.Event()

    def note(status: int | None) -> None:
        answered.append(status)
        gone.set()

    async with serve(application(on_answer=note)) as url:
        wire = await Wire.open(url)
        await wire.send(head("/echo", "POST", "Content-Length: 50") + b"half")
        await wire.close()
        await asyncio.wait_for(gone.wait(), 10)
    assert answered == [None]
    lines = [line for line in logged() if line["logger"] == "assistance.http"]
    assert [(line["event"], line["level"], line["status"]) for line in lines] == [("request", "info", None)]


async def test_above_the_cap_the_answer_is_an_immediate_503_but_for_health():
    """Requests over `max_concurrency` are refused with Retry-After; health paths still answer; then all goes on."""
    entered, release = asyncio.Semaphore(0), asyncio.Event()
    async with serve(holding(application(max_concurrency=2), entered, release)) as url:
        held = [asyncio.create_task(ask(url, head("/hold"))) for _ in range(2)]
        await entered.acquire()
        await entered.acquire()
        refused = await ask(url, head("/plain"))
        healthy = await ask(url, head("/livez/"))
        release.set()
        assert [answer.status for answer in await asyncio.gather(*held)] == [200, 200]
        after = await ask(url, head("/plain"))
    assert (refused.status, refused.problem["type"]) == (503, "/problems/too-busy")
    assert refused.headers["retry-after"] == "1"
    assert (healthy.status, after.status) == (200, 200)


OUR_PROXIES = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.fixture
async def behind_proxy() -> AsyncIterator[str]:
    async with serve(application(trusted_proxies=OUR_PROXIES)) as url:
        yield url


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        (["203.0.113.1"], "203.0.113.1"),
        (["6.6.6.6, 203.0.113.1"], "203.0.113.1"),
        (["6.6.6.6, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
        (["203.0.113.1", "10.0.0.2"], "203.0.113.1"),
        (["10.0.0.3, fd00::2"], "10.0.0.3"),
        (["203.0.113.1:5678"], "203.0.113.1"),
        (["6.6.6.6, [2001:db8::1]:443, [fd00::1]:443"], "2001:db8::1"),
        (["2001:db8::1%eth0"], "2001:db8::1%eth0"),
        ([], "127.0.0.1"),
        ([""], "127.0.0.1"),
    ],
)
async def test_the_nearest_hop_that_is_no_proxy_of_ours_is_the_client(behind_proxy: str, hops: list[str], client: str):
    """What a client writes into X-Forwarded-For itself is never believed."""
    answer = await ask(behind_proxy, head("/plain", "GET", *(f"X-Forwarded-For: {hop}" for hop in hops)))
    assert json.loads(answer.body)["address"] == client


@pytest.mark.parametrize("hop", ["unknown", "[::1", "[::1]x", "1.2.3.4:x", ",", "\xff", "1" * 9_000])
async def test_a_hop_that_cannot_be_read_is_no_failure(behind_proxy: str, hop: str):
    """It is the client as far as rates go, in one bucket with all such: see `address_key`."""
    answer = await ask(behind_proxy, head("/plain", "GET", f"X-Forwarded-For: 203.0.113.1, {hop}"))
    assert answer.status == 200
    assert address_key(json.loads(answer.body)["address"]) in {"", "127.0.0.1"}


async def test_without_proxies_of_ours_nothing_that_is_forwarded_counts(url: str):
    """By default the peer is the client, and the scheme is ours."""
    answer = await ask(url, head("/plain", "GET", "X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: https"))
    assert json.loads(answer.body) == {"path": "/plain", "address": "127.0.0.1", "scheme": "http"}


async def test_the_access_log_names_the_route_and_nothing_of_what_was_sent(url: str, logged: Any):
    """A line has method, route, status, duration, client and id; no path, query or body."""
    await ask(url, head("/things/canary?q=canary", "GET", "X-Request-ID: r-7"))
    (line,) = [line for line in logged() if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/things/{name}", 200)
    assert (line["client"], line["request_id"], line["level"]) == ("bot-1@clients", "r-7", "info")
    assert line["duration_ms"] > 0
    assert "canary" not in json.dumps(line)


async def test_levels_follow_what_happened(url: str, logged: Any):
    """Health is logged at debug, a refusal at info, a failure as an error with its frames and without its text."""
    answers = [await ask(url, head(target)) for target in ("/livez", "/nowhere", "/broken")]
    assert (answers[2].status, answers[2].problem["title"]) == (500, "Internal Server Error")
    assert b"customer" not in answers[2].body
    lines = [line for line in logged() if line["logger"] == "assistance.http"]
    assert [(line["level"], line.get("status")) for line in lines] == [
        ("debug", 200),
        ("info", 404),
        ("error", None),
        ("error", 500),
    ]
    assert lines[2]["exception"][0]["type"] == "ValueError"
    assert "customer text" not in json.dumps(lines)


async def test_two_requests_on_one_connection_have_an_id_each(url: str, logged: Any):
    """What one request has bound to its log lines is not seen by the next, pipelined or not."""
    wire = await Wire.open(url)
    await wire.send(head("/plain", "GET", "X-Request-ID: a") + head("/plain", "GET", "X-Request-ID: b"))
    assert [(await wire.answer()).headers["x-request-id"] for _ in range(2)] == ["a", "b"]
    await wire.close()
    assert [line["request_id"] for line in logged() if line["event"] == "request"] == ["a", "b"]
