"""What happened to a request, in order: as a list, or as server-sent events while it happens.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Why not FastAPI's `EventSourceResponse`: it makes a route a stream for all, and this one answers JSON too, by `Accept`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send
from typing_extensions import TypedDict

from assistance.access.callers import Here, Reader, visible
from assistance.access.conditions import prefers
from assistance.access.services import Services
from assistance.api.openapi import carries, documented, takes
from assistance.api.parameters import RequestId, json_answer
from assistance.model import Event, EventType, Snapshot, State, rfc3339
from assistance.server.problems import Problem, problem_response
from assistance.store import OVER, StoreUnavailableError

_STREAM = "text/event-stream"
_LONGEST = 3600.0
"""Seconds after which a client must come back, with a token that is still valid."""
_UNDER_WAY = frozenset({State.PENDING, State.SENDING})
_COME_BACK = b"retry: 1000\n\n"
_STILL_HERE = b":\n\n"

routes = APIRouter(tags=["assistance"])


class EventAnswer(TypedDict):
    """One thing that happened; `actor` is null where the service did it."""

    sequence: int
    type: EventType
    timestamp: str
    actor: str | None
    data: dict[str, Any]


class EventList(TypedDict):
    """The time line."""

    data: list[EventAnswer]


_ANSWERS = documented(401, 403, 404, 503, ok=EventList)
_ANSWERS[200]["content"] = {_STREAM: {"schema": {"type": "string"}}}
_ANSWERS[204] = {
    "description": "No stream: the request is over, and `Last-Event-ID` names its last event.",
    "headers": carries("X-Request-ID"),
}


@routes.get(
    "/assistance/{request_id}/events",
    response_model=None,
    openapi_extra=takes("Last-Event-ID"),
    responses=_ANSWERS,
)
async def events(request_id: RequestId, request: Request, principal: Reader, services: Here) -> Response:
    """What happened to it. With `Accept: text/event-stream` as it happens, from `Last-Event-ID` on."""
    snapshot = await visible(services, request_id, principal)
    if not prefers(request, _STREAM, "application/json"):
        return json_answer({"data": [_event(each) for each in await services.store.time_line(request_id)]})
    last = _last_event_id(request)
    if _is_complete(snapshot) and last >= snapshot.request.sequence:
        # A browser connects again after any other answer.
        return Response(None, 204)
    seconds = min(_LONGEST, principal.expires_at - services.clock.machine.now())
    return _Stream(services, _events(services, request_id, last, seconds))


class _Stream(StreamingResponse):
    """Events while they happen, if there is a slot among the waiters; else 503."""

    media_type = _STREAM

    def __init__(self, services: Services, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._waiting = services.waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._waiting.slot(scope) as free:
            if free:
                await super().__call__(scope, receive, send)
            else:
                await problem_response(_no_slot(), scope)(scope, receive, send)


async def _events(services: Services, request_id: str, last: int, seconds: float) -> AsyncIterator[bytes]:
    waiting, loop = services.waiting, asyncio.get_running_loop()
    deadline = loop.time() + seconds

    async def read() -> tuple[bool, list[Event]]:
        snapshot = await services.store.get(request_id)
        if snapshot is None or snapshot.request.sequence <= last:
            return snapshot is None or _is_complete(snapshot), []
        return False, await services.store.time_line(request_id, last)

    yield _COME_BACK
    while (left := deadline - loop.time()) > 0:
        try:
            ended, events = await waiting.until(request_id, read, any, min(left, waiting.keep_alive))
        except StoreUnavailableError:
            return
        for event in events:
            last = event.sequence
            yield b"id: %d\ndata: %s\n\n" % (last, to_json(_event(event)))
        if ended or waiting.closed:
            return
        if not events:
            yield _STILL_HERE


def _is_complete(snapshot: Snapshot) -> bool:
    """Whether the request is over and nothing of it is on its way: a later event would say nothing to a customer."""
    return snapshot.request.status in OVER and all(each.state not in _UNDER_WAY for each in snapshot.deliveries)


def _last_event_id(request: Request) -> int:
    """The number of the last event that the client has, 0 for none and for what is no id of ours."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004


def _no_slot() -> Problem:
    return Problem(
        503,
        "Too busy",
        "As many callers as can be wait for changes already. Try again.",
        type_="/problems/too-busy",
        headers={"Retry-After": "5"},
    )


def _event(event: Event) -> EventAnswer:
    return {
        "sequence": event.sequence,
        "type": event.type,
        "timestamp": rfc3339(event.at),
        "actor": str(event.actor) if event.actor else None,
        "data": event.data,
    }
