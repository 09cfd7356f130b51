"""The edge's round robin and second tries, what it forwards, and what it refuses or hides."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.deploy.edge_process import ASK, Edge, missing, running_edge, session_with
from yarl import URL

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"the edge cannot run here, missing: {missing()}")


async def test_both_upstreams_are_used_in_turn(client: aiohttp.ClientSession) -> None:
    """Of 40 requests each of the two API processes gets its half."""
    used: Counter[str] = Counter()
    for _ in range(40):
        async with client.post("/assistance", json=ASK) as answer:
            used[(await answer.json())["upstream"]] += 1
    assert used == {"one": 20, "two": 20}


async def test_an_upstream_killed_under_load_fails_no_request(tmp_path: Path) -> None:
    """1,500 creates from 16 clients, without a key of their own: each gets 201 although one of two processes dies."""
    with running_edge(tmp_path) as edge:
        statuses: Counter[int] = Counter()
        left = iter(range(1500))

        async def bot(session: aiohttp.ClientSession) -> None:
            for number in left:
                if number == 500:
                    edge.upstreams[0].process.kill()
                async with session.post("/assistance", json=ASK) as answer:
                    statuses[answer.status] += 1

        async with session_with(edge) as session:
            await asyncio.gather(*(bot(session) for _ in range(16)))
        assert statuses == {201: 1500}
        assert {line["upstream"] for line in edge.arrived()} == {"one", "two"}


async def _post_until_it_reaches_one(
    edge: Edge, session: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> tuple[aiohttp.ClientResponse, list[dict[str, Any]]]:
    """POST at most twice, until upstream one broke off the call; the answer, and what arrived."""
    for _ in edge.upstreams:
        before = len(edge.arrived())
        answer = await session.post(path, headers={"X-Wish": "one:break", **headers})
        arrived = edge.arrived()[before:]
        if arrived[0]["upstream"] == "one":
            return answer, arrived
    raise AssertionError(edge.arrived())


@pytest.mark.parametrize("key", [None, '"bots-own"'])
async def test_a_create_whose_connection_broke_is_repeated_under_one_key(tmp_path: Path, key: str | None) -> None:
    """The second process gets the first one's key, the bot's if it sent one: no request is opened twice."""
    with running_edge(tmp_path) as edge:
        async with session_with(edge) as session:
            answer, tries = await _post_until_it_reaches_one(
                edge, session, "/assistance", {"Idempotency-Key": key} if key else {}
            )
            assert answer.status == 201
    assert [line["upstream"] for line in tries] == ["one", "two"]
    keys = {line["headers"]["Idempotency-Key"] for line in tries}
    assert len(keys) == 1
    assert key is None or keys == {key}


async def test_a_claim_whose_connection_broke_is_not_repeated(tmp_path: Path) -> None:
    """Without a key a call is not repeated: the caller gets 503 and decides; it reached one process only."""
    with running_edge(tmp_path) as edge:
        async with session_with(edge) as session:
            answer, tries = await _post_until_it_reaches_one(edge, session, "/assistance/0198/claim", {})
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert answer.content_type == "application/problem+json"
    assert [line["upstream"] for line in tries] == ["one"]


async def test_with_no_process_left_the_answer_is_503_with_retry_after(tmp_path: Path) -> None:
    """With both upstreams dead, the answer is the contract's 503."""
    with running_edge(tmp_path) as edge:
        for upstream in edge.upstreams:
            upstream.process.kill()
            upstream.process.wait()
        async with session_with(edge) as session, session.post("/assistance", json=ASK) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json(content_type="application/problem+json"))["status"] == 503


INSIDE = [
    *("/metrics", "/metrics/", "/livez", "/readyz", "/sandbox", "/-/config", "/-/reload", "/-/channels", "/"),
    *("/assistance/../metrics", "/assistance/%2e%2e/-/config", "//metrics", "/./-/config", "/assistance/..%2f-/config"),
    *("/%2d/config", "/METRICS", "/docs/../livez", "/assistance/..;/metrics", "/assistancex", "/topics/x"),
]


@pytest.mark.parametrize("path", INSIDE)
async def test_what_is_for_operators_stays_inside(edge: Edge, client: aiohttp.ClientSession, path: str) -> None:
    """The edge itself refuses internal paths, however they are spelled."""
    before = len(edge.arrived())
    async with client.get(URL(edge.url + path, encoded=True)) as answer:
        assert answer.status in {403, 404}
        assert answer.content_type == "application/problem+json"
    assert len(edge.arrived()) == before


OUTSIDE = [
    *("/assistance", "/assistance/", "/assistance/0198", "/assistance/0198/deliveries/", "/topics", "/heartbeat"),
    *("/heartbeat/private", "/heartbeat/scoped/", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/act/Zm9v-_.x"),
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_what_is_for_bots_and_people_passes(client: aiohttp.ClientSession, path: str) -> None:
    """The contract's public paths reach the API with and without a trailing slash."""
    async with client.get(path) as answer:
        assert answer.status == 200


async def test_ids_traces_and_the_true_address_are_passed_on(edge: Edge, client: aiohttp.ClientSession) -> None:
    """X-Request-ID and traceparent arrive as sent; a forged X-Forwarded-For is replaced by the peer's address."""
    sent = {
        "X-Request-ID": 'bot"7\\~!',
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Forwarded-For": "203.0.113.9",
    }
    async with client.get("/topics", headers=sent) as answer:
        assert answer.headers.getall("X-Request-ID") == [sent["X-Request-ID"]]
    got = edge.arrived()[-1]["headers"]
    assert (got["X-Request-ID"], got["traceparent"]) == (sent["X-Request-ID"], sent["traceparent"])
    assert (got["X-Forwarded-For"], got["X-Forwarded-Proto"], got["Host"]) == ("127.0.0.1", "https", "localhost")


@pytest.mark.parametrize("sent", ["", "x" * 129, "two words", "ümlaut"])
async def test_an_unfit_request_id_is_replaced(edge: Edge, client: aiohttp.ClientSession, sent: str) -> None:
    """An id other than 1-128 visible ASCII characters is replaced; the answer and the API have the same new id."""
    async with client.get("/topics", headers={"X-Request-ID": sent}) as answer:
        given = answer.headers["X-Request-ID"]
    assert given != sent
    assert edge.arrived()[-1]["headers"]["X-Request-ID"] == given


async def test_a_problem_with_an_awkward_id_is_still_json(client: aiohttp.ClientSession) -> None:
    """An id with quotes cannot break the document: the edge's own id replaces it, in the header too."""
    async with client.get("/metrics", headers={"X-Request-ID": '"},{"x\\'}) as answer:
        document = await answer.json(content_type="application/problem+json")
        assert document["request_id"] == answer.headers["X-Request-ID"]


async def test_problems_of_the_api_pass_unchanged(client: aiohttp.ClientSession) -> None:
    """The edge answers only for itself."""
    async with client.get("/topics", headers={"X-Wish": "one:problem"}) as first:
        first_body = await first.json(content_type=None)
    async with client.get("/topics", headers={"X-Wish": "one:problem"}) as second:
        assert {"title": "of the API"} in (first_body, await second.json(content_type=None))


async def test_events_are_not_held_back(tmp_path: Path) -> None:
    """The first server-sent event arrives before the second has happened."""
    with running_edge(tmp_path) as edge:
        async with session_with(edge) as session, session.get("/assistance/0198/events") as events:
            assert await asyncio.wait_for(events.content.readuntil(b"\n\n"), 5) == b"data: first\n\n"
            for _ in edge.upstreams:
                async with session.post("/hooks/slack", data={"payload": "<script>SELECT</script>"}) as answer:
                    assert answer.status == 204
            assert await asyncio.wait_for(events.content.readuntil(b"\n\n"), 5) == b"data: second\n\n"


async def test_logs_are_json_and_hold_nothing_that_was_written(edge: Edge, client: aiohttp.ClientSession) -> None:
    """One object a line; no body, query string, mail token, bearer token nor matched attack in any file."""
    canary = "canary0c47d1"
    attack = f"<script>{canary}</script>' OR 1=1 --"
    bearer = {"Authorization": f"Bearer {canary}"}
    await client.post("/assistance", json={"topic": "sales", "description": attack}, headers=bearer)
    await client.post("/assistance", json={"topic": attack, "description": "hi"}, headers={"User-Agent": attack})
    await client.get("/assistance", params={"cursor": canary})
    await client.get("/assistance", params={"cursor": attack})
    await client.post("/assistance", data=b'{"topic": ' + canary.encode(), headers={"Content-Type": "application/json"})
    for path in (f"/act/{canary}", f"//act/{canary}", f"/%61ct/{canary}", f"/act/../act/{canary}"):
        await client.get(URL(edge.url + path, encoded=True))
    lines = [json.loads(line) for line in edge.access_log.read_text().splitlines()]
    assert {line["verdict"] for line in lines} >= {"passed", "blocked", "refused"}
    written = [edge.access_log, edge.error_log, *edge.access_log.parent.glob("run/*.log")]
    assert [str(file) for file in written if canary in file.read_text()] == []
