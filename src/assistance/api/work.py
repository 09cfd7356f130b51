"""For the desk: whoever helps the customer takes a request, gives it back, answers, closes it or passes it on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from assistance.access.callers import Here, Worker, actor_of, worker
from assistance.access.conditions import if_match_of
from assistance.access.json_body import described, read_json, validate
from assistance.api.followups import Words, changed
from assistance.api.openapi.fields import takes
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import AssistanceRequest
from assistance.api.requests import RequestId
from assistance.model import Transition

_MOVED = documented(401, 403, 404, 409, 412, 503, ok=AssistanceRequest, tells={200: ["ETag"]})
_SAID = documented(400, 401, 403, 404, 409, 412, 415, 422, 503, ok=AssistanceRequest, tells={200: ["ETag"]})

routes = APIRouter(prefix="/assistance/{request_id}", tags=["desk"], dependencies=[Depends(worker)])


class Destination(BaseModel):
    """Whose it is instead."""

    topic: Annotated[str, Field(min_length=1, max_length=100, description="The topic, in any case of letters.")]


@routes.post("/claim", response_model=None, openapi_extra=takes("If-Match"), responses=_MOVED)
async def claim(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Take it. Of two who claim at once one has it; the other gets 409 with `claimed_by`."""
    moved = await services.desk.move(Transition.CLAIM, request_id, actor_of(principal), if_match_of(request))
    return changed(moved)


@routes.post("/release", response_model=None, openapi_extra=takes("If-Match"), responses=_MOVED)
async def release(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Give it back, whoever had it."""
    return changed(await services.desk.move(Transition.RELEASE, request_id, actor_of(principal), if_match_of(request)))


@routes.post("/resolve", response_model=None, openapi_extra=takes("If-Match"), responses=_MOVED)
async def resolve(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """The customer was helped."""
    return changed(await services.desk.move(Transition.RESOLVE, request_id, actor_of(principal), if_match_of(request)))


@routes.post("/reply", response_model=None, openapi_extra=described(Words) | takes("If-Match"), responses=_SAID)
async def reply(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """Say something to the customer: the bot finds it in the events."""
    text = validate(Words, await read_json(request)).text
    return changed(await services.desk.reply(request_id, actor_of(principal), text, if_match_of(request)))


@routes.post("/reroute", response_model=None, openapi_extra=described(Destination) | takes("If-Match"), responses=_SAID)
async def reroute(request_id: RequestId, request: Request, principal: Worker, services: Here) -> Response:
    """It is not ours: the people of another topic are told, with its clock and its history."""
    topic = validate(Destination, await read_json(request)).topic
    return changed(await services.desk.reroute(request_id, actor_of(principal), topic, if_match_of(request)))
