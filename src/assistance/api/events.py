"""What happened to a request, in order: as a list, or as server-sent events while it happens.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from assistance.access.callers import Here, Reader
from assistance.access.conditions import prefers
from assistance.access.services import Services
from assistance.api.openapi.fields import takes, told
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import EventList
from assistance.api.requests import RequestId, visible
from assistance.model import Event, Snapshot, State, rfc3339
from assistance.server.problems import Problem, problem_response
from assistance.store import OVER, StoreUnavailableError

_STREAM = "text/event-stream"
_LONGEST = 3600.0
"""Seconds after which a client must come back, with a token that still holds."""
_UNDER_WAY = frozenset({State.PENDING, State.SENDING})
_COME_BACK = b"retry: 1000\n\n"
_STILL_HERE = b":\n\n"

routes = APIRouter(tags=["assistance"])

_ANSWERS = documented(401, 403, 404, 503, ok=EventList)
_ANSWERS[200]["content"] = {_STREAM: {"schema": {"type": "string"}}}
_ANSWERS[204] = {
    "description": "No stream: the request is over, and `Last-Event-ID` was the last there was to say.",
    "headers": told("X-Request-ID"),
}


@routes.get(
    "/assistance/{request_id}/events",
    response_model=None,
    openapi_extra=takes("Last-Event-ID"),
    responses=_ANSWERS,
)
async def events(request_id: RequestId, request: Request, principal: Reader, services: Here) -> Response:
    """What happened to it. With `Accept: text/event-stream` as it happens, from `Last-Event-ID` on."""
    seen = await visible(services, request_id, principal)
    if not prefers(request, _STREAM, "application/json"):
        found = await services.store.time_line(seen[0].id)
        return Response(to_json({"data": [_shown(event) for event in found]}), media_type="application/json")
    last = _last_event_id(request)
    if _all_said(seen) and last >= seen[0].sequence:
        # A browser comes back after any other answer.
        return Response(None, 204)
    seconds = min(_LONGEST, principal.expires_at - services.clock.machine.now())
    return _Stream(services, _told(services, seen[0].id, last, seconds))


class _Stream(StreamingResponse):
    """Events while they happen, for whoever finds a seat."""

    media_type = _STREAM

    def __init__(self, services: Services, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._waiting = services.waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._waiting.seat(scope) as seated:
            if seated:
                await super().__call__(scope, receive, send)
            else:
                await problem_response(_no_seat(), scope)(scope, receive, send)


async def _told(services: Services, request_id: str, last: int, seconds: float) -> AsyncIterator[bytes]:
    waiting, loop = services.waiting, asyncio.get_running_loop()
    deadline = loop.time() + seconds

    async def look() -> tuple[bool, list[Event]]:
        seen = await services.store.get(request_id)
        if seen is None or seen[0].sequence <= last:
            return seen is None or _all_said(seen), []
        return False, await services.store.time_line(request_id, last)

    yield _COME_BACK
    while (left := deadline - loop.time()) > 0:
        try:
            ended, news = await waiting.until(request_id, look, any, min(left, waiting.keep_alive))
        except StoreUnavailableError:
            return
        for event in news:
            last = event.sequence
            yield b"id: %d\ndata: %s\n\n" % (last, to_json(_shown(event)))
        if ended or waiting.closed:
            return
        if not news:
            yield _STILL_HERE


def _all_said(seen: Snapshot) -> bool:
    """Whether the request is over and nothing of it is on its way: what may come later is no news to a customer."""
    request, owed = seen
    return request.status in OVER and all(delivery.state not in _UNDER_WAY for delivery in owed)


def _last_event_id(request: Request) -> int:
    """The event that the client has seen last; what is not one of our ids is as good as none."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004


def _no_seat() -> Problem:
    return Problem(
        503,
        "Too busy",
        "As many callers as can be are waiting for news already. Try again.",
        type_="/problems/too-busy",
        headers={"Retry-After": "5"},
    )


def _shown(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "type": event.type,
        "timestamp": rfc3339(event.at),
        "actor": str(event.actor) if event.actor else None,
        "data": event.data,
    }
