"""The time line as server-sent events over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.fakes.service import Service, running


class Stream:
    """One open stream, read event by event."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.comments = 0

    async def next(self) -> dict[str, str] | None:
        """The fields of the next event; None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(15):
            while raw := await self.answer.content.readline():
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    fields[name] = value
                elif "data" in fields:
                    return fields
        return None

    async def rest(self) -> list[str]:
        """The types of all events that are left, once the stream has ended."""
        found = []
        while (event := await self.next()) is not None:
            found.append(json.loads(event["data"])["type"])
        return found


@asynccontextmanager
async def listening(service: Service, request_id: str, **headers: str) -> AsyncIterator[Stream]:
    sent = {"Authorization": f"Bearer {service.token()}", "Accept": "text/event-stream", **headers}
    async with service.session.get(f"{service.url}/assistance/{request_id}/events", headers=sent) as answer:
        yield Stream(answer)


@pytest.mark.main_flow
async def test_a_stream_tells_what_happens_and_ends_with_the_request(service: Service):
    """The same events as the list, numbered; it ends with the request, and then a 204 keeps browsers away."""
    asked = await service.ask("pricing")
    id_ = asked["id"]
    async with listening(service, id_) as stream:
        assert stream.answer.status == 200
        assert stream.answer.content_type == "text/event-stream"
        assert stream.answer.headers["Cache-Control"] == "no-store"
        first = await stream.next()
        assert first is not None
        await service.when(id_, "notified")
        await service.call("POST", f"/assistance/{id_}/claim")
        await service.call("POST", f"/assistance/{id_}/resolve")
        types = await stream.rest()
    _, body, _ = await service.call("GET", f"/assistance/{id_}/events")
    assert ["accepted", *types] == [each["type"] for each in body["data"]]
    assert types[-1] == "resolved"
    assert (first["id"], json.loads(first["data"])) == ("1", body["data"][0])
    last = str(body["data"][-1]["sequence"])
    async with listening(service, id_, **{"Last-Event-ID": last}) as stream:
        assert stream.answer.status == 204
    async with listening(service, id_, **{"Last-Event-ID": "2"}) as stream:
        assert await stream.rest() == types[1:]


STREAM, JSON = "text/event-stream", "application/json"
LIKED = {
    STREAM: STREAM,
    "Text/Event-Stream; charset=utf-8": STREAM,
    "text/event-stream, application/json": STREAM,
    "application/json;q=0.9, text/event-stream": STREAM,
    "text/event-stream;q=0.2, */*;q=0.1": STREAM,
    "text/event-stream;q=often": STREAM,
    "text/*": STREAM,
    "": JSON,
    "*/*": JSON,
    "text/html, */*;q=0.8": JSON,
    "text/html": JSON,
    "application/json, text/event-stream;q=0.5": JSON,
    "text/event-stream;q=0, application/json": JSON,
    "text/event-stream ; Q=0": JSON,
    "*/*, text/event-stream;q=0.000": JSON,
    "text/event-stream;q=0.1, text/*, application/*;q=0.5": JSON,
}


async def test_a_caller_gets_the_form_that_it_likes_better(service: Service):
    """Quality values count, those of the closest range; a list is what comes where nothing speaks for a stream."""
    asked = await service.ask()
    got = {}
    for accept in LIKED:
        async with listening(service, asked["id"], Accept=accept) as stream:
            got[accept] = stream.answer.content_type
    assert got == LIKED


async def test_nonsense_in_last_event_id_costs_nothing(service: Service):
    """Whatever is no id of ours is as good as none: events come twice rather than never."""
    asked = await service.ask()
    for junk in ("x", "-1", "1e9", "9" * 400, "²"):
        async with listening(service, asked["id"], **{"Last-Event-ID": junk}) as stream:
            event = await stream.next()
            assert event is not None
            assert event["id"] == "1"


async def test_others_hear_nothing(service: Service):
    """404 before the stream begins for who may not see the request, 401 without a token."""
    asked = await service.ask()
    token = service.token("request-assistance", "bot-2")
    async with listening(service, asked["id"], Authorization=f"Bearer {token}") as stream:
        assert stream.answer.status == 404
    async with listening(service, asked["id"], Authorization="Bearer x") as stream:
        assert stream.answer.status == 401


async def test_a_silent_stream_says_that_it_is_alive(service: Service):
    """Comments come while there is no news, so that no proxy closes it."""
    service.house.waiting.keep_alive = 0.05
    asked = await service.ask()
    await service.when(asked["id"], "notified")
    async with listening(service, asked["id"]) as stream:
        async with asyncio.timeout(10):
            while stream.comments < 3:
                line = await stream.answer.content.readline()
                stream.comments += line.startswith(b":")


async def test_streams_and_patient_callers_do_not_take_the_place_of_others(tmp_path: Path):
    """Two places in all: with two streams open others are served; a third stream is 503, a third wait is not waited."""
    async with running(tmp_path, ASSISTANCE_MAX_CONCURRENCY="2") as service:
        asked = await service.ask()
        await service.when(asked["id"], "notified")
        async with listening(service, asked["id"]) as one, listening(service, asked["id"]) as two:
            for stream in (one, two):
                assert await stream.next() is not None
            status, _, answer = await service.call("GET", f"/assistance/{asked['id']}", headers={"Prefer": "wait=60"})
            assert (status, "Preference-Applied" in answer.headers) == (200, False)
            async with listening(service, asked["id"]) as three:
                assert (three.answer.status, "Retry-After" in three.answer.headers) == (503, True)
            await service.ask("pricing")
        await _freed(service, asked["id"])


async def _freed(service: Service, request_id: str) -> None:
    """Return when a client that has gone has given its slot back."""
    async with asyncio.timeout(10):
        while True:
            async with listening(service, request_id) as stream:
                if stream.answer.status == 200:
                    return


async def test_the_end_of_the_service_ends_streams_and_waits_at_once(tmp_path: Path):
    """A stream ends in order, a wait is answered with what there is; neither holds up the stop."""
    answers: dict[str, Any] = {}
    async with running(tmp_path) as service:
        asked = await service.ask()
        await service.when(asked["id"], "notified")
        waiting = asyncio.create_task(service.call("GET", f"/assistance/{asked['id']}", headers={"Prefer": "wait=60"}))
        async with listening(service, asked["id"]) as stream:
            assert await stream.next() is not None
            begun = service.house.clock.monotonic()
            service.house.waiting.close()
            answers["rest"] = await stream.rest()
            answers["wait"] = (await waiting)[0]
            assert service.house.clock.monotonic() - begun < 2
    assert answers == {"rest": ["notified"], "wait": 200}


async def test_a_stream_does_not_outlive_its_token(service: Service):
    """It ends when the token does; to come back takes a new one."""
    asked = await service.ask()
    token = service.forger.token(scope="read-assistance", exp=service.forger.now + 4)
    async with listening(service, asked["id"], Authorization=f"Bearer {token}") as stream:
        if stream.answer.status == 200:
            assert (await stream.rest())[0] == "accepted"
