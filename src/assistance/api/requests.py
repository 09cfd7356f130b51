"""What became of a request: to look at it and to follow it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator
from pydantic_core import to_json

from assistance.access.callers import Here, Reader
from assistance.access.conditions import etag, unchanged, wait_of
from assistance.access.services import Services
from assistance.api.openapi.fields import takes, told
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import AssistancePage, AssistanceRequest
from assistance.api.paging import RequestCursor, cursor_after, next_link, read_cursor
from assistance.api.parameters import Name
from assistance.model import EventType, Snapshot, Status, represent
from assistance.security import Principal
from assistance.security.tokens.scopes import may_read_all, may_request, topics_for
from assistance.store import NotFoundError, RequestFilter


def _canonical(request_id: str) -> str:
    """The id in its one form. Raises NotFoundError for what cannot be an id."""
    try:
        return str(UUID(request_id))
    except ValueError:
        raise NotFoundError(request_id) from None


RequestId = Annotated[
    str, AfterValidator(_canonical), Path(description="The request's id.", json_schema_extra={"format": "uuid"})
]


routes = APIRouter(tags=["assistance"])


async def visible(services: Services, request_id: str, principal: Principal) -> Snapshot:
    """The request with its deliveries. Raises NotFoundError for what is not the caller's to see."""
    seen = await services.store.get(request_id)
    if seen is None or not (may_read_all(principal) or await _is_own(services, principal, seen)):
        raise NotFoundError(request_id)
    return seen


async def own(services: Services, request_id: str, principal: Principal) -> Snapshot:
    """The request with its deliveries. Raises NotFoundError for what the caller did not ask for itself."""
    seen = await services.store.get(request_id)
    if seen is None or not await _is_own(services, principal, seen):
        raise NotFoundError(request_id)
    return seen


async def _is_own(services: Services, principal: Principal, seen: Snapshot) -> bool:
    """Whether the caller asked for it, and may ask on its topic, or on one that it was on before it was rerouted."""
    request = seen[0]
    if request.client != principal.subject:
        return False
    if may_request(principal, request.topic):
        return True
    happened = await services.store.time_line(request.id)
    return any(event.type is EventType.REROUTED and may_request(principal, event.data["from"]) for event in happened)


@routes.get(
    "/assistance/{request_id}",
    response_model=None,
    openapi_extra=takes("If-None-Match", "Prefer"),
    responses={
        **documented(401, 403, 404, 503, ok=AssistanceRequest, tells={200: ["ETag", "Preference-Applied"]}),
        304: {"description": "It has not changed.", "headers": told("X-Request-ID", "ETag", "Preference-Applied")},
    },
)
async def one(request_id: RequestId, request: Request, principal: Reader, services: Here) -> Response:
    """One request. `If-None-Match` answers 304; `Prefer: wait=20` holds the answer until the request changes."""

    async def look() -> Snapshot:
        return await visible(services, request_id, principal)

    snapshot = old = await look()
    wait, headers = wait_of(request), {}
    if wait and (unchanged(request, etag(old)) or "if-none-match" not in request.headers):
        with services.waiting.seat(request.scope) as seated:
            if seated:
                enough = lambda new: new.version != old.version  # noqa: E731
                snapshot = await services.waiting.until(request_id, look, enough, wait)
                headers["Preference-Applied"] = f"wait={wait:g}"
    headers["ETag"] = etag(snapshot)
    if unchanged(request, headers["ETag"]):
        return Response(None, 304, headers)
    return Response(to_json(represent(*snapshot)), 200, headers, "application/json")


@routes.get(
    "/assistance",
    response_model=None,
    responses=documented(401, 403, 422, 503, ok=AssistancePage, tells={200: ["Link"]}),
)
async def page(
    request: Request,
    principal: Reader,
    services: Here,
    *,
    topic: Name | None = None,
    status: Status | None = None,
    conversation_id: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: RequestCursor = None,
) -> Response:
    """Requests, the newest first: one's own, or everybody's with `read-assistance`."""
    all_ = may_read_all(principal)
    wanted = RequestFilter(
        limit + 1,
        client=None if all_ else principal.subject,
        topics=None if all_ else topics_for(principal),
        topic=topic.lower() if topic else topic,
        status=status,
        conversation_id=conversation_id,
        before=read_cursor(cursor),
    )
    found = await services.store.page(wanted)
    following = cursor_after(found[limit - 1][0].id) if len(found) > limit else None
    body = {"data": [represent(*seen) for seen in found[:limit]], "next_cursor": following}
    headers = {"Link": next_link(request, following)} if following else {}
    return Response(to_json(body), 200, headers, "application/json")
