"""What the bot says after it has asked: the customer adds something, or needs nobody any more."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from assistance.access.callers import Here, Requester, actor_of
from assistance.access.conditions import etag, if_match_of
from assistance.access.json_body import described, read_json, validate
from assistance.api.openapi.fields import takes
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import AssistanceRequest
from assistance.api.requests import RequestId, own
from assistance.intake import Said
from assistance.model import Snapshot, Transition, represent

routes = APIRouter(tags=["assistance"])


class Words(BaseModel):
    """What somebody says: 1 to 10,000 characters, one at least not white space."""

    text: Said


@routes.post(
    "/assistance/{request_id}/cancel",
    response_model=None,
    openapi_extra=takes("If-Match"),
    responses=documented(401, 403, 404, 409, 412, 503, ok=AssistanceRequest, tells={200: ["ETag"]}),
)
async def cancel(request_id: RequestId, request: Request, principal: Requester, services: Here) -> Response:
    """Call it off: nothing more goes out but the news that nobody waits any more."""
    seen = await own(services, request_id, principal)
    return changed(await services.desk.move(Transition.CANCEL, seen[0].id, actor_of(principal), if_match_of(request)))


@routes.post(
    "/assistance/{request_id}/messages",
    response_model=None,
    openapi_extra=described(Words) | takes("If-Match"),
    responses=documented(400, 401, 403, 404, 409, 412, 415, 422, 503, ok=AssistanceRequest, tells={200: ["ETag"]}),
)
async def add(request_id: RequestId, request: Request, principal: Requester, services: Here) -> Response:
    """The customer adds something: whoever was told of the request reads it in the same thread.

    A request has five hundred follow-ups at most; after them it is 409, `/problems/too-many-follow-ups`.
    """
    words = validate(Words, await read_json(request))
    seen = await own(services, request_id, principal)
    actor = actor_of(principal)
    return changed(await services.desk.follow_up(seen[0].id, actor, words.text, if_match_of(request)))


def changed(moved: Snapshot) -> Response:
    """The request as it is now, with its new `ETag`."""
    body = to_json(represent(moved.request, moved.deliveries))
    return Response(body, 200, {"ETag": etag(moved)}, "application/json")
