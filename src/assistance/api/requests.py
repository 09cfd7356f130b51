"""What became of a request: one, or a page of them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from typing_extensions import TypedDict

from assistance.access.callers import Here, Reader, visible
from assistance.access.conditions import etag, unchanged, wait_of
from assistance.api.openapi import carries, documented, takes
from assistance.api.parameters import Limit, Name, RequestId, json_answer, page_answer
from assistance.model import RequestAnswer, Snapshot, Status, represent
from assistance.security.tokens.scopes import may_read_all, topics_for
from assistance.store import RequestFilter

routes = APIRouter(tags=["assistance"])


class AssistancePage(TypedDict):
    """A page of requests, the newest first."""

    data: list[RequestAnswer]
    next_cursor: str | None


@routes.get(
    "/assistance/{request_id}",
    response_model=None,
    openapi_extra=takes("If-None-Match", "Prefer"),
    responses={
        **documented(401, 403, 404, 503, ok=RequestAnswer, headers={200: ["ETag", "Preference-Applied"]}),
        304: {"description": "It has not changed.", "headers": carries("X-Request-ID", "ETag", "Preference-Applied")},
    },
)
async def one(request_id: RequestId, request: Request, principal: Reader, services: Here) -> Response:
    """One request. `If-None-Match` answers 304; `Prefer: wait=20` holds the answer until the request changes."""

    async def read() -> Snapshot:
        return await visible(services, request_id, principal)

    snapshot = await read()
    wait, headers, version = wait_of(request), {}, snapshot.version
    if wait and (unchanged(request, etag(snapshot)) or "if-none-match" not in request.headers):
        with services.waiting.slot(request.scope) as free:
            if free:
                snapshot = await services.waiting.until(request_id, read, lambda new: new.version != version, wait)
                headers["Preference-Applied"] = f"wait={wait:g}"
    headers["ETag"] = etag(snapshot)
    if unchanged(request, headers["ETag"]):
        return Response(None, 304, headers)
    return json_answer(represent(*snapshot), headers)


@routes.get(
    "/assistance",
    response_model=None,
    responses=documented(401, 403, 422, 503, ok=AssistancePage, headers={200: ["Link"]}),
)
async def page(
    request: Request,
    principal: Reader,
    services: Here,
    *,
    topic: Name | None = None,
    status: Status | None = None,
    conversation_id: Name | None = None,
    limit: Limit = 50,
    cursor: Annotated[UUID | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """Requests, the newest first: one's own, or those of all clients with `read-assistance`."""
    all_ = may_read_all(principal)
    found = await services.store.page(
        RequestFilter(
            limit + 1,
            client=None if all_ else principal.subject,
            topics=None if all_ else topics_for(principal),
            topic=topic.lower() if topic else topic,
            status=status,
            conversation_id=conversation_id,
            before=None if cursor is None else str(cursor),
        )
    )
    following = found[limit - 1].request.id if len(found) > limit else None
    return page_answer(request, [represent(*each) for each in found[:limit]], following)
