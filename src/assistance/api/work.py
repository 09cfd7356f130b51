"""What is done to a request: by the bot that asked, by the agents who help the customer, by operators."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from assistance.access.callers import Here, Manager, Requester, Worker, actor_of, own
from assistance.access.conditions import etag, if_match_of
from assistance.access.json_body import described, read_json, validate
from assistance.api.openapi import documented, takes
from assistance.api.parameters import RequestId, json_answer
from assistance.intake import Said
from assistance.model import RequestAnswer, Snapshot, Transition, represent

routes = APIRouter(prefix="/assistance/{request_id}")


class Words(BaseModel):
    """What the customer or an agent says: 1 to 10,000 characters, one at least not white space."""

    text: Said


class Destination(BaseModel):
    """The topic that it goes to."""

    topic: Annotated[str, Field(min_length=1, max_length=100, description="The topic, in any case of letters.")]


def _move(tag: str, body: type[BaseModel] | None = None) -> dict[str, Any]:
    """How each of these operations is declared; one with a body may be refused because of it."""
    refusals = (401, 403, 404, 409, 412, 503, *((400, 415, 422) if body else ()))
    return {
        "tags": [tag],
        "response_model": None,
        "openapi_extra": (described(body) if body else {}) | takes("If-Match"),
        "responses": documented(*refusals, ok=RequestAnswer, headers={200: ["ETag"]}),
    }


@routes.post("/cancel", **_move("assistance"))
async def cancel(request_id: RequestId, request: Request, principal: Requester, services: Here) -> Response:
    """Cancel it: nothing more goes out but the update that nobody waits any more."""
    await own(services, request_id, principal)
    return changed(await services.desk.move(Transition.CANCEL, request_id, actor_of(principal), if_match_of(request)))


@routes.post("/messages", **_move("assistance", Words))
async def add(request_id: RequestId, request: Request, principal: Requester, services: Here) -> Response:
    """Add what the customer says now: people who were notified read it in the same thread.

    A request has five hundred follow-ups at most; after them it is 409, `/problems/too-many-follow-ups`.
    """
    text = validate(Words, await read_json(request)).text
    await own(services, request_id, principal)
    return changed(await services.desk.follow_up(request_id, actor_of(principal), text, if_match_of(request)))


@routes.post("/claim", **_move("desk"))
async def claim(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Claim it. Of two at once one has it; the other gets 409 with `claimed_by`."""
    return changed(await services.desk.move(Transition.CLAIM, request_id, actor_of(principal), if_match_of(request)))


@routes.post("/release", **_move("desk"))
async def release(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Give it back; any agent may."""
    return changed(await services.desk.move(Transition.RELEASE, request_id, actor_of(principal), if_match_of(request)))


@routes.post("/resolve", **_move("desk"))
async def resolve(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Close it: the customer was helped."""
    return changed(await services.desk.move(Transition.RESOLVE, request_id, actor_of(principal), if_match_of(request)))


@routes.post("/reply", **_move("desk", Words))
async def reply(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Reply to the customer: the bot reads it in the events."""
    text = validate(Words, await read_json(request)).text
    return changed(await services.desk.reply(request_id, actor_of(principal), text, if_match_of(request)))


@routes.post("/reroute", **_move("desk", Destination))
async def reroute(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Pass it on to the people of another topic, with its clock and its history."""
    topic = validate(Destination, await read_json(request)).topic
    return changed(await services.desk.reroute(request_id, actor_of(principal), topic, if_match_of(request)))


@routes.delete(
    "/content", tags=["operation"], status_code=204, responses=documented(401, 403, 404, 503, no_content=True)
)
async def erase(request_id: RequestId, principal: Manager, services: Here) -> Response:
    """Erase what the customer wrote, and what was replied, here and in channels that can."""
    await services.desk.erase(request_id, actor_of(principal))
    return Response(status_code=204)


def changed(snapshot: Snapshot) -> Response:
    """The request as it is after a change, with its new `ETag`."""
    return json_answer(represent(*snapshot), {"ETag": etag(snapshot)})
