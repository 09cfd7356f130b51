"""What became of a request: to look at it, to follow it, to add to it, to call it off."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import to_json

from assistance.http.callers import Here, Reader, Requester
from assistance.http.conditions import check_match, etag, unchanged, wait_of
from assistance.http.paging import cursor_after, next_link, read_cursor
from assistance.http.problems import Problem
from assistance.http.responses import documented
from assistance.http.schemas import AssistancePage, AssistanceRequest, EventList
from assistance.http.services import Services
from assistance.http.waiting import until
from assistance.model import Event, Status, represent, rfc3339
from assistance.security import Principal
from assistance.security.scopes import may_read_all, may_request, topics_for
from assistance.store import ConflictError, NotFoundError
from assistance.store import Query as Wanted

RequestId = Annotated[str, Path(description="The request's id.", json_schema_extra={"format": "uuid"})]


def not_found() -> Problem:
    """404, also for what belongs to others."""
    return Problem(404, detail="There is no such request.")


def conflict(error: ConflictError) -> Problem:
    """409: the request's state does not allow that."""
    return Problem(409, detail=f"That cannot be done: {error}.", type_="/problems/conflict")


routes = APIRouter(tags=["assistance"])


async def _body_of(services: Services, request_id: str, principal: Principal) -> bytes:
    seen = await services.store.get(canonical(request_id))
    if seen is None or not _may_see(principal, seen[0].client, seen[0].topic):
        raise not_found()
    return to_json(represent(*seen))


@routes.get(
    "/assistance/{request_id}",
    response_model=None,
    responses={
        **documented(401, 403, 404, 503, ok=AssistanceRequest, tells={200: ["ETag"]}),
        304: {"description": "It has not changed."},
    },
)
async def one(request_id: RequestId, request: Request, principal: Reader, services: Here) -> Response:
    """One request. `If-None-Match` answers 304; `Prefer: wait=20` holds the answer until the request changes."""
    body = await _body_of(services, request_id, principal)
    wait, headers = wait_of(request), {}
    if wait and (unchanged(request, etag(body)) or "if-none-match" not in request.headers):
        old = body
        body = await until(
            services.store,
            canonical(request_id),
            lambda: _body_of(services, request_id, principal),
            lambda new: new != old,
            wait,
        )
        headers["Preference-Applied"] = f"wait={wait:g}"
    headers["ETag"] = etag(body)
    if unchanged(request, headers["ETag"]):
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/json")


@routes.get("/assistance", response_model=None, responses=documented(401, 403, 422, 503, ok=AssistancePage))
async def page(
    request: Request,
    principal: Reader,
    services: Here,
    *,
    topic: str | None = None,
    status: Status | None = None,
    conversation_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> Response:
    """Requests, the newest first: one's own, or everybody's with `read-assistance`."""
    all_ = may_read_all(principal)
    wanted = Wanted(
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


@routes.post(
    "/assistance/{request_id}/cancel",
    response_model=None,
    responses=documented(401, 403, 404, 409, 412, 503, ok=AssistanceRequest),
)
async def cancel(request_id: RequestId, request: Request, principal: Requester, services: Here) -> Response:
    """Call it off: nothing more goes out but the news that nobody waits any more."""
    seen = await services.store.get(canonical(request_id))
    if seen is None or not _is_own(principal, seen[0].client, seen[0].topic):
        raise not_found()
    check_match(request, etag(to_json(represent(*seen))))
    try:
        moved = await services.desk.cancel(seen[0].id, principal.subject)
    except NotFoundError:
        raise not_found() from None
    except ConflictError as error:
        raise conflict(error) from None
    body = to_json(represent(moved.request, moved.deliveries))
    return Response(body, 200, {"ETag": etag(body)}, "application/json")


@routes.get(
    "/assistance/{request_id}/events", response_model=None, responses=documented(401, 403, 404, 503, ok=EventList)
)
async def events(request_id: RequestId, principal: Reader, services: Here) -> Response:
    """What happened to it, in order."""
    await _body_of(services, request_id, principal)
    found = await services.store.time_line(canonical(request_id))
    return Response(to_json({"data": [_event(event) for event in found]}), media_type="application/json")


def canonical(request_id: str) -> str:
    """The id in its one form. Raises Problem 404 for what cannot be one."""
    try:
        return str(UUID(request_id))
    except ValueError:
        raise not_found() from None


def _is_own(principal: Principal, client: str, topic: str) -> bool:
    return client == principal.subject and may_request(principal, topic)


def _may_see(principal: Principal, client: str, topic: str) -> bool:
    return may_read_all(principal) or _is_own(principal, client, topic)


def _event(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "type": event.type,
        "timestamp": rfc3339(event.at),
        "actor": event.actor,
        "data": event.data,
    }
